/*
 * The yardstick of the hand-over benchmark: two processes, one SEQPACKET pair,
 * no checks.
 *
 *   handover bare N ROUNDS     sendmsg of N descriptors in a record of the size
 *                              that handover/1 has, recvmsg, a 16-byte answer
 *                              on the same socket, then the receiver closes
 *   handover fstat N ROUNDS    the same, and the receiver calls fstat for every
 *                              descriptor before it answers: what identity
 *                              level 1 costs and nothing else
 *   handover held N ROUNDS     the kernel calls that handover/1 makes for held
 *                              items: one descriptor more, the end of a receipt
 *                              pipe; fstat at the receiver; the answer through
 *                              the pipe. The next pipe is made after the answer
 *   handover plain N ROUNDS    those for plain items: beside that a copy, an
 *                              fstat and the flags of every descriptor, and the
 *                              copies closed after the receipt
 *
 * For those who look for a cheaper way to compare, as fstat:
 *
 *   handover statx N ROUNDS    statx for type and inode alone
 *   handover fcntl N ROUNDS    F_GETFD, the cheapest call there is for a
 *                              descriptor; it compares nothing
 *   handover uring N ROUNDS    all statx in one io_uring_enter
 *
 * It writes two rows of ROUNDS 32-bit counts of nanoseconds to standard output.
 * Rounds come one after the other, each from the end of the one before. The
 * first row is the whole cycle; the second its latency, which ends with the
 * answer. What the receiver does after answering, on one CPU, falls into the
 * next round of both. Pinning is up to whoever starts it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { most = 250, frame = 32, slot = 96, receipt_head = 20, receipt_slot = 8 };
enum mode { bare, fstats, held, plain, statxs, fcntls, uring, modes };
static const char *const names[modes] = {"bare", "fstat", "held", "plain", "statx", "fcntl", "uring"};

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

static struct statx found[most];

static void look_at_once(const int *fds, int n)
{
	static int ring = -1;
	static unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	static struct io_uring_sqe *entries;
	static struct io_uring_cqe *results;

	if (ring < 0) {
		struct io_uring_params p = {0};
		ring = syscall(SYS_io_uring_setup, 256, &p);
		if (ring < 0)
			die("io_uring_setup");
		size_t size = p.cq_off.cqes + p.cq_entries * sizeof *results;
		char *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
		entries = mmap(NULL, p.sq_entries * sizeof *entries, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
		if (area == MAP_FAILED || entries == MAP_FAILED)
			die("mmap");
		sq_tail = (unsigned *)(area + p.sq_off.tail), sq_mask = (unsigned *)(area + p.sq_off.ring_mask);
		sq_array = (unsigned *)(area + p.sq_off.array), results = (struct io_uring_cqe *)(area + p.cq_off.cqes);
		cq_head = (unsigned *)(area + p.cq_off.head), cq_tail = (unsigned *)(area + p.cq_off.tail);
		cq_mask = (unsigned *)(area + p.cq_off.ring_mask);
	}
	unsigned tail = *sq_tail;
	for (int i = 0; i < n; i++, tail++) {
		unsigned k = tail & *sq_mask;
		entries[k] = (struct io_uring_sqe){.opcode = IORING_OP_STATX, .fd = fds[i], .addr = (uintptr_t)"",
			.len = STATX_TYPE | STATX_INO, .off = (uintptr_t)&found[i], .statx_flags = AT_EMPTY_PATH};
		sq_array[k] = k;
	}
	__atomic_store_n(sq_tail, tail, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, n, n, IORING_ENTER_GETEVENTS, NULL, 0) != n)
		die("io_uring_enter");
	unsigned head = *cq_head, end = __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE);
	for (; head != end; head++)
		if ((errno = -results[head & *cq_mask].res) != 0)
			die("statx");
	__atomic_store_n(cq_head, head, __ATOMIC_RELEASE);
}

static void look(enum mode mode, const int *fds, int n)
{
	struct stat st;

	if (mode == uring) {
		look_at_once(fds, n);
		return;
	}
	for (int i = 0; i < n && mode != bare; i++)
		if (mode == fcntls ? fcntl(fds[i], F_GETFD) < 0
		    : mode == statxs ? statx(fds[i], "", AT_EMPTY_PATH, STATX_TYPE | STATX_INO, &found[i]) != 0
		    : fstat(fds[i], &st) != 0)
			die("look");
}

static void receiver(int socket, enum mode mode)
{
	int fds[most + 1], n;
	char answer[receipt_head + most * receipt_slot] = {0};

	while ((n = receive_all(socket, fds)) > 0) {
		if (mode == held || mode == plain) {
			n--;
			look(mode, fds, n);
			if (write(fds[n], answer, receipt_head + n * receipt_slot) < 0)
				die("write");
			close(fds[n]);
		} else {
			look(mode, fds, n);
			if (send(socket, answer, 16, MSG_NOSIGNAL) != 16)
				die("send");
		}
		for (int i = 0; i < n; i++)
			close(fds[i]);
	}
	exit(0);
}

/* Each returns the moment at which the answer was in. */

static uint64_t round_bare(int socket, const int *fds, int n)
{
	char answer[16];
	send_all(socket, fds, n, frame + (size_t)n * slot);
	if (recv(socket, answer, sizeof answer, 0) != sizeof answer)
		die("recv");
	return now();
}

static int spare[2];

static void make_spare(void)
{
	if (pipe2(spare, O_CLOEXEC | O_NONBLOCK) != 0)
		die("pipe2");
}

static uint64_t receipt(int socket, int *fds, int n)
{
	char answer[4097];

	fds[n] = spare[1];
	send_all(socket, fds, n + 1, frame + (size_t)n * slot);
	close(spare[1]);
	struct pollfd end = {.fd = spare[0]};
	if (poll(&end, 1, -1) != 1 || read(spare[0], answer, sizeof answer) <= 0)
		die("receipt");
	close(spare[0]);
	return now();
}

static uint64_t round_held(int socket, const int *fds, int n)
{
	int numbers[most + 1];

	memcpy(numbers, fds, sizeof(int) * n);
	uint64_t t = receipt(socket, numbers, n);
	make_spare();
	return t;
}

static uint64_t round_plain(int socket, const int *fds, int n)
{
	int copies[most + 1];
	struct stat st;

	for (int i = 0; i < n; i++) {
		copies[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (copies[i] < 0 || fstat(copies[i], &st) != 0 || fcntl(copies[i], F_GETFL) < 0)
			die("copy");
	}
	receipt(socket, copies, n);
	for (int i = 0; i < n; i++)
		close(copies[i]);
	uint64_t t = now(); /* moved: settled when ours are closed */
	make_spare();
	return t;
}

int main(int argc, char **argv)
{
	int pair[2], fds[most], mode = 0;
	int n = argc > 2 ? atoi(argv[2]) : 0;
	int rounds = argc > 3 ? atoi(argv[3]) : 0;

	while (argc > 1 && mode < modes && strcmp(argv[1], names[mode]) != 0)
		mode++;
	if (mode == modes || n < 1 || n > most || rounds < 1) {
		fprintf(stderr, "usage: handover bare|fstat|held|plain|statx|fcntl|uring N ROUNDS\n");
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
		receiver(pair[1], mode);
	}
	close(pair[1]);
	uint64_t (*round)(int, const int *, int) = mode == held ? round_held : mode == plain ? round_plain : round_bare;
	uint32_t *took = calloc(2 * rounds, sizeof *took);
	make_spare();
	for (int i = -rounds / 10; i < rounds; i++) {
		static uint64_t last;
		if (last == 0)
			last = now();
		uint64_t answered = round(pair[0], fds, n);
		uint64_t t = mode == held || mode == plain ? now() : answered;
		if (i >= 0) {
			took[i] = (uint32_t)(t - last);
			took[rounds + i] = (uint32_t)(answered - last);
		}
		last = t;
	}
	close(pair[0]);
	waitpid(child, NULL, 0);
	return fwrite(took, sizeof *took, 2 * rounds, stdout) == 2 * (size_t)rounds ? 0 : 1;
}
