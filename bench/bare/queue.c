/*
 * The bare side of bench/sysv: msgsnd and msgrcv with nothing around them.
 *
 *   queue pong  IN OUT ROUNDS   receive, send back
 *   queue ping  IN OUT ROUNDS   send, receive; times in nanoseconds as binary
 *                               32-bit numbers on standard output
 *   queue pour  OUT   MESSAGES  send
 *   queue sink  IN    MESSAGES  receive; one time, from the first to the last
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <time.h>

#define SIZE 64

struct message {
	long type;
	char text[SIZE];
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void out(int id, struct message *m)
{
	while (msgsnd(id, m, SIZE, 0) == -1)
		if (errno != EINTR)
			die("msgsnd");
}

static void in(int id, struct message *m)
{
	while (msgrcv(id, m, SIZE, 0, 0) == -1)
		if (errno != EINTR)
			die("msgrcv");
}

int main(int argc, char **argv)
{
	struct message m = { 1, "" };
	const char *role = argc > 3 ? argv[1] : "";
	int a = argc > 3 ? atoi(argv[2]) : 0;
	int b = argc > 4 ? atoi(argv[3]) : 0;
	long n = argc > 3 ? atol(argv[argc - 1]) : 0;
	uint32_t *took = calloc(n + 1, sizeof *took);

	if (!strcmp(role, "pong")) {
		for (long i = 0; i < n; i++) {
			in(a, &m);
			out(b, &m);
		}
	} else if (!strcmp(role, "ping")) {
		for (long i = 0; i < n; i++) {
			uint64_t began = now();

			out(b, &m);
			in(a, &m);
			took[i] = now() - began;
		}
		if (fwrite(took, sizeof *took, n, stdout) != (size_t)n)
			die("write");
	} else if (!strcmp(role, "pour")) {
		for (long i = 0; i < n; i++)
			out(a, &m);
	} else if (!strcmp(role, "sink")) {
		uint64_t began;

		in(a, &m);
		began = now();
		for (long i = 1; i < n; i++)
			in(a, &m);
		/* in units of 16 ns, so that 68 s fit */
		took[0] = (now() - began) >> 4;
		if (fwrite(took, sizeof *took, 1, stdout) != 1)
			die("write");
	} else {
		fprintf(stderr, "queue: unknown role\n");
		return 2;
	}
	return 0;
}
