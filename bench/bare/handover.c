/*
 * The yardstick of the hand-over benchmark: two processes, one SEQPACKET pair,
 * no checks.
 *
 *   handover bare N ROUNDS     sendmsg of N descriptors in a record of the size
 *                              that handover/1 has, recvmsg, a 16-byte answer
 *                              on the same socket, then the receiver closes
 *   handover steps N ROUNDS    the same with the kernel calls that handover/1
 *                              makes, and nothing else: a copy and an fstat of
 *                              every descriptor, a receipt pipe, fstat at the
 *                              receiver, the copies closed after the receipt
 *
 * It writes one 32-bit count of nanoseconds a round to standard output: from
 * the end of the round before to the answer, so that what the receiver does
 * after answering counts as well. Pinning is up to whoever starts it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { most = 250, frame = 32, slot = 96, receipt_head = 20, receipt_slot = 8 };

static unsigned char record[frame + most * slot];
static union {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int) * (most + 1))];
} control;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

static void send_all(int socket, const int *fds, int count, size_t size)
{
	struct iovec iov = {record, size};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1,
			   .msg_control = &control, .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * count);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
	if (sendmsg(socket, &m, MSG_NOSIGNAL) != (ssize_t)size)
		die("sendmsg");
}

/* The number of descriptors that came; -1 at the end of the channel. */
static int receive_all(int socket, int *fds)
{
	struct iovec iov = {record, sizeof record};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1,
			   .msg_control = &control, .msg_controllen = sizeof control};
	ssize_t n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return -1;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int count = c == NULL ? 0 : (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(fds, CMSG_DATA(c), sizeof(int) * count);
	return count;
}

static void receiver(int socket, int steps)
{
	int fds[most + 1], n;
	struct stat st;
	char answer[receipt_head + most * receipt_slot] = {0};

	while ((n = receive_all(socket, fds)) > 0) {
		if (steps) {
			n--;
			for (int i = 0; i < n; i++)
				if (fstat(fds[i], &st) != 0)
					die("fstat");
			if (write(fds[n], answer, receipt_head + n * receipt_slot) < 0)
				die("write");
			close(fds[n]);
		} else if (send(socket, answer, 16, MSG_NOSIGNAL) != 16) {
			die("send");
		}
		for (int i = 0; i < n; i++)
			close(fds[i]);
	}
	exit(0);
}

static void round_bare(int socket, const int *fds, int n)
{
	char answer[16];
	send_all(socket, fds, n, frame + (size_t)n * slot);
	if (recv(socket, answer, sizeof answer, 0) != sizeof answer)
		die("recv");
}

static void round_steps(int socket, const int *fds, int n)
{
	int copies[most + 1], pipe[2];
	struct stat st;
	char answer[4097];

	for (int i = 0; i < n; i++) {
		copies[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (copies[i] < 0 || fstat(copies[i], &st) != 0 || fcntl(copies[i], F_GETFL) < 0)
			die("copy");
	}
	if (pipe2(pipe, O_CLOEXEC) != 0)
		die("pipe2");
	copies[n] = pipe[1];
	send_all(socket, copies, n + 1, frame + (size_t)n * slot);
	close(pipe[1]);
	struct pollfd end = {.fd = pipe[0]};
	if (poll(&end, 1, -1) != 1 || read(pipe[0], answer, sizeof answer) <= 0)
		die("receipt");
	close(pipe[0]);
	for (int i = 0; i < n; i++)
		close(copies[i]);
}

int main(int argc, char **argv)
{
	int pair[2], fds[most];
	int steps = argc > 1 && strcmp(argv[1], "steps") == 0;
	int n = argc > 2 ? atoi(argv[2]) : 0;
	int rounds = argc > 3 ? atoi(argv[3]) : 0;

	if (n < 1 || n > most || rounds < 1) {
		fprintf(stderr, "usage: handover bare|steps N ROUNDS\n");
		return 2;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		die("socketpair");
	for (int i = 0; i < n; i++)
		if ((fds[i] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)) < 0)
			die("open");
	pid_t child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		close(pair[0]);
		for (int i = 0; i < n; i++)
			close(fds[i]);
		receiver(pair[1], steps);
	}
	close(pair[1]);
	uint32_t *took = calloc(rounds, sizeof *took);
	for (int i = -rounds / 10; i < rounds; i++) {
		static uint64_t last;
		if (last == 0)
			last = now();
		if (steps)
			round_steps(pair[0], fds, n);
		else
			round_bare(pair[0], fds, n);
		uint64_t t = now();
		if (i >= 0)
			took[i] = (uint32_t)(t - last);
		last = t;
	}
	close(pair[0]);
	waitpid(child, NULL, 0);
	return fwrite(took, sizeof *took, rounds, stdout) == (size_t)rounds ? 0 : 1;
}
