/* A small peer, and a program activated by sockets; what it does, a test says.
 *
 *   short          protocol 1: takes one offer, writes the short receipt, serves
 *   notify SECONDS protocol 0: READY, STATUS, and WATCHDOG until a client sends 'h'
 *   late           protocol 0: never says READY
 *   exec, open     protocol 0: breaks out when a client sends 'x'
 * Each of them leaves with exit code 0 when a client sends 'q'.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static void say(const char *text)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	int s = path ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

	if (s < 0)
		return;
	strncpy(to.sun_path, path, sizeof to.sun_path - 1);
	sendto(s, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to);
	close(s);
}

/* One record of descriptors; the last is the receipt pipe. */
static int take(int channel, int *fds, int max)
{
	static char data[32768];
	union { struct cmsghdr head; char room[CMSG_SPACE(253 * sizeof(int))]; } control;
	struct iovec part = {data, sizeof data};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	struct cmsghdr *c;
	int n;

	if (recvmsg(channel, &m, MSG_CMSG_CLOEXEC) <= 0 || m.msg_flags & (MSG_CTRUNC | MSG_TRUNC))
		return -1;
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -1;
	n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	/* A frame has its number of slots at 6; the pipe comes besides. */
	if (n > max || n != data[6] + 256 * data[7] + 1)
		return -1;
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	if (write(fds[n - 1], "\006", 1) != 1)
		return -1;
	close(fds[n - 1]);
	return n - 1;
}

int main(int argc, char **argv)
{
	const char *does = argc > 1 ? argv[1] : "";
	int listener = 3, fds[254], beat = 0, wait = -1;

	if (!strcmp(does, "short")) {
		int n = take(3, fds, 254);
		if (n < 1)
			return 2;
		listener = fds[n - 1];
	} else {
		const char *pid = getenv("LISTEN_PID"), *names = getenv("LISTEN_FDNAMES");
		if (!pid || atoi(pid) != getpid() || !names || strcmp(names, "request"))
			return 3;
	}
	if (!strcmp(does, "notify")) {
		const char *usec = getenv("WATCHDOG_USEC");
		say("STATUS=opening\nEXTEND_TIMEOUT_USEC=1");
		beat = usec && atoi(getenv("WATCHDOG_PID")) == getpid();
		if (usec)
			wait = atoi(usec) / 3000;
		say("READY=1\nSTATUS=serving");
	}
	for (;;) {
		struct pollfd p = {.fd = listener, .events = POLLIN};
		char c, answer[64];
		int client;
		if (poll(&p, 1, wait) == 0) {
			if (beat)
				say("WATCHDOG=1");
			continue;
		}
		client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (client < 0)
			continue;
		while (read(client, &c, 1) == 1) {
			if (c == 'h')
				beat = 0;
			if (c == 'x' && !strcmp(does, "exec"))
				syscall(SYS_execveat, 1001, "", argv, argv, AT_EMPTY_PATH);
			if (c == 'x' && !strcmp(does, "open"))
				open("/etc/shadow", O_RDONLY);
			if (c == 'q')
				_exit(0);
			if (write(client, answer, snprintf(answer, sizeof answer, "%d %c\n", getpid(), c)) < 0)
				break;
		}
		close(client);
	}
}
