/* Makes system calls under a filter and writes down what came of each.
 *
 *   calls FILTER CALLS RESULTS
 *
 * FILTER is an array of struct sock_filter, CALLS one of struct call, RESULTS a
 * file of as many struct result. No parent listens, so that a notice fails with
 * ENOSYS. A call that may be made (alone) has a process for itself; all others
 * share one until it dies. Little endian, 64 bits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct call {
	uint64_t nr, args[6];
	uint32_t legacy; /* by int 0x80 */
	uint32_t alone;
};

enum { NOT_MADE, MADE, RETURNED, DIED, BLOCKED };

struct result {
	int64_t value; /* what it returned, or the signal that it died of */
	uint64_t state;
};

static const struct call *calls;
static volatile struct result *results;
static size_t count;

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

static void *map(const char *name, size_t *size, int write)
{
	struct stat st;
	int fd = open(name, write ? O_RDWR : O_RDONLY);
	void *at;

	if (fd < 0 || fstat(fd, &st) < 0)
		fail(name);
	at = mmap(NULL, st.st_size, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		fail(name);
	close(fd);
	*size = st.st_size;
	return at;
}

static int64_t make(const struct call *c)
{
#if defined(__x86_64__)
	if (c->legacy) {
		int64_t ret;
		__asm__ volatile("int $0x80" : "=a"(ret)
				 : "a"(c->nr), "b"(c->args[0]), "c"(c->args[1]), "d"(c->args[2]), "S"(c->args[3]), "D"(c->args[4])
				 : "memory", "r8", "r9", "r10", "r11");
		return ret;
	}
	{
		register uint64_t r10 __asm__("r10") = c->args[3];
		register uint64_t r8 __asm__("r8") = c->args[4];
		register uint64_t r9 __asm__("r9") = c->args[5];
		int64_t ret;
		__asm__ volatile("syscall" : "=a"(ret)
				 : "a"(c->nr), "D"(c->args[0]), "S"(c->args[1]), "d"(c->args[2]), "r"(r10), "r"(r8), "r"(r9)
				 : "rcx", "r11", "memory");
		return ret;
	}
#else
	long ret = syscall(c->nr, c->args[0], c->args[1], c->args[2], c->args[3], c->args[4], c->args[5]);
	return ret < 0 ? -errno : ret;
#endif
}

static void child(size_t from, struct sock_fprog *filter)
{
	size_t i;

	if (geteuid() == 0 && (syscall(SYS_setresgid, 61997, 61997, 61997) || syscall(SYS_setresuid, 61997, 61997, 61997)))
		_exit(3);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter))
		_exit(3);
	for (i = from; i < count && (i == from || !calls[i].alone); i++) {
		results[i].state = MADE;
		results[i].value = make(&calls[i]);
		results[i].state = RETURNED;
		if (calls[i].alone)
			break;
	}
	for (;;)
		syscall(SYS_exit_group, 0);
}

/* First call of those from on that was not made. */
static size_t progress(size_t from)
{
	while (from < count && results[from].state != NOT_MADE)
		from++;
	return from;
}

/* Waits until the process ends; one that makes no progress is ended. */
static size_t attend(pid_t pid, size_t from)
{
	const struct timespec pause = { 0, 100000 };
	const int late = 300000; /* of 0.1 ms, at least: it was not even scheduled */
	const int patience = calls[from].alone ? 500 : late;
	size_t at = from, now;
	int left = late, status, looks = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		now = progress(at);
		left = now > at ? patience : left - 1;
		at = now;
		if (left <= 0) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			at = progress(at);
			if (at > from && results[at - 1].state == MADE)
				results[at - 1].state = BLOCKED;
			return at;
		}
		if (looks++ < 50)
			sched_yield(); /* most die at once */
		else
			nanosleep(&pause, NULL);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 3) {
		fputs("the filter could not be loaded\n", stderr);
		exit(2);
	}
	at = progress(at);
	if (at > from && results[at - 1].state == MADE) {
		results[at - 1].value = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
		results[at - 1].state = DIED;
	}
	return at;
}

int main(int argc, char **argv)
{
	struct sock_fprog filter;
	size_t size, at = 0, next;
	pid_t pid;

	if (argc != 4)
		return 2;
	filter.filter = map(argv[1], &size, 0);
	filter.len = size / sizeof(struct sock_filter);
	calls = map(argv[2], &size, 0);
	count = size / sizeof(struct call);
	results = map(argv[3], &size, 1);
	if (size != count * sizeof(struct result))
		return 2;
	while (at < count) {
		fflush(NULL);
		pid = fork();
		if (pid < 0)
			fail("fork");
		if (pid == 0)
			child(at, &filter);
		next = attend(pid, at);
		if (next == at) {
			fputs("a process ended before its call\n", stderr);
			return 2;
		}
		at = next;
	}
	return 0;
}
