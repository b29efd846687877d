/* A Sallyport worker in C: handover/1 at level 2, readings and alerts. One
 * header, C99 or C++, Linux, no library but the C library. Include it before
 * any other header. docs/protocol.md is what it implements.
 *
 *     #include "sallyport.h"
 *     static sp_worker w;
 *     int main(void)
 *     {
 *         double load;
 *         if (sp_begin(&w) < 0)
 *             return sp_end(&w);
 *         while (sp_every(&w, sp_duration(&w, "every", 10000)) > 0)
 *             if (sp_value(&w, "load", &load) == 0)
 *                 sp_reading(&w, "load", load);
 *         return sp_end(&w);
 *     }
 *
 * sp_worker is large (1 MiB, of which little is touched): keep it static.
 * Nothing is allocated. One thread: whatever waits (sp_every, sp_next, sp_wait)
 * also answers the supervisor, so a worker must come back to it more often than
 * its heartbeat. sp_channel beneath it is the protocol alone.
 */
#ifndef SALLYPORT_H
#define SALLYPORT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef CLOCK_BOOTTIME
#error "include sallyport.h before any other header"
#endif

/* ---- records ------------------------------------------------------------ */

enum {
	SP_HELLO = 1, SP_WELCOME, SP_OFFER, SP_COMMIT, SP_ABORT, SP_REVOKE, SP_RELEASED, SP_CREDIT, SP_PING, SP_PONG, SP_BYE,
	SP_MESSAGE = 16
};
enum { SP_SHARE, SP_MOVE, SP_EXCLUSIVE, SP_LEND };
enum { SP_TAKEN, SP_MISSING, SP_WRONG_KIND, SP_WRONG_IDENTITY, SP_NO_SLOT, SP_NOT_WANTED };
enum {
	SP_ATTRIBUTE = 1, SP_FILE, SP_DIRECTORY, SP_GPIO_LINE, SP_I2C, SP_SPI, SP_TTY, SP_EVDEV, SP_LISTENER, SP_STREAM,
	SP_DATAGRAM, SP_MEMFD, SP_EVENTFD, SP_PIPE, SP_NAMESPACE, SP_OTHER = 255
};

#define SP_FRAME 32          /* bytes before the slots */
#define SP_SLOT 96           /* bytes a slot */
#define SP_MAX_SLOTS 250
#define SP_MAX_RECORD 32768  /* from the parent */
#define SP_MAX_UP 512        /* from a worker */
#define SP_MAX_BODY (SP_MAX_UP - SP_FRAME - 4)

#ifndef SP_MAX_GRANTS        /* descriptors held at a time */
#define SP_MAX_GRANTS 256
#endif
#define SP_RESERVE 16        /* descriptor numbers kept free for the program itself */

typedef struct {
	uint8_t token[16], kind, mode, access;
	uint32_t st_mode;
	uint64_t dev, ino, rdev;
	char name[48];
} sp_slot;

typedef struct {
	uint8_t type;
	uint16_t slots;
	uint32_t epoch, length;
	uint64_t seq, ack;
	const uint8_t *slot, *payload; /* within the record; sp_get_slot reads a slot */
} sp_record;

static inline uint64_t sp_get(const uint8_t *p, int n)
{
	uint64_t v = 0;
	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

static inline void sp_put(uint8_t *p, uint64_t v, int n)
{
	for (int i = 0; i < n; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

/* UTF-8 of n bytes without zero bytes and, if asked, without control characters. */
static inline int sp_utf8(const char *text, size_t n, int printable)
{
	const uint8_t *s = (const uint8_t *)text;
	for (size_t i = 0; i < n;) {
		uint32_t c = s[i++];
		int more = c < 0x80 ? 0 : c < 0xc2 ? -1 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : -1;
		uint32_t least = more == 1 ? 0x80 : more == 2 ? 0x800 : more == 3 ? 0x10000 : 0;
		if (more < 0 || c == 0)
			return 0;
		if (more > 0)
			c &= 0x3fu >> more;
		for (; more > 0; more--, i++) {
			if (i >= n || (s[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (s[i] & 0x3f);
		}
		if (c < least || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
			return 0;
		if (printable && (c < 0x20 || (c >= 0x7f && c < 0xa0)))
			return 0;
	}
	return 1;
}

static inline int sp_zero(const uint8_t *p, size_t n)
{
	while (n > 0 && p[n - 1] == 0)
		n--;
	return n == 0;
}

/* Readers return NULL, or the word of the check that failed, as in the vectors. */

static inline const char *sp_get_slot(const uint8_t *b, sp_slot *s)
{
	size_t length = b[48];
	memcpy(s->token, b, 16);
	s->kind = b[16];
	s->mode = b[17];
	s->access = b[18];
	if (b[19] != 0)
		return "reserved";
	s->st_mode = (uint32_t)sp_get(b + 20, 4);
	s->dev = sp_get(b + 24, 8);
	s->ino = sp_get(b + 32, 8);
	s->rdev = sp_get(b + 40, 8);
	if (length > 47 || !sp_zero(b + 49 + length, 47 - length))
		return "name";
	memcpy(s->name, b + 49, length);
	s->name[length] = 0;
	return sp_utf8(s->name, length, 0) ? NULL : "name";
}

static inline void sp_put_slot(uint8_t *b, const sp_slot *s)
{
	memset(b, 0, SP_SLOT);
	memcpy(b, s->token, 16);
	b[16] = s->kind;
	b[17] = s->mode;
	b[18] = s->access;
	sp_put(b + 20, s->st_mode, 4);
	sp_put(b + 24, s->dev, 8);
	sp_put(b + 32, s->ino, 8);
	sp_put(b + 40, s->rdev, 8);
	b[48] = (uint8_t)strlen(s->name);
	memcpy(b + 49, s->name, b[48]);
}

/* Reads one whole record; r points into b. No check depends on what came before. */
static inline const char *sp_get_record(const uint8_t *b, size_t n, sp_record *r)
{
	sp_slot s;
	if (n < SP_FRAME)
		return "short";
	if (memcmp(b, "SHP1", 4) != 0)
		return "magic";
	if (b[4] != 1)
		return "version";
	r->type = b[5];
	if ((r->type < SP_HELLO || r->type > SP_BYE) && r->type != SP_MESSAGE)
		return "type";
	r->slots = (uint16_t)sp_get(b + 6, 2);
	r->epoch = (uint32_t)sp_get(b + 8, 4);
	r->length = (uint32_t)sp_get(b + 12, 4);
	r->seq = sp_get(b + 16, 8);
	r->ack = sp_get(b + 24, 8);
	if (r->slots > SP_MAX_SLOTS)
		return "slots";
	if ((uint64_t)n != (uint64_t)SP_FRAME + r->slots * SP_SLOT + (uint64_t)r->length)
		return "length";
	r->slot = b + SP_FRAME;
	r->payload = r->slot + r->slots * SP_SLOT;
	for (unsigned i = 0; i < r->slots; i++) {
		const char *word = sp_get_slot(r->slot + i * SP_SLOT, &s);
		if (word)
			return word;
	}
	return NULL;
}

/* Writes the frame of a record to b; slots and payload are to follow it. */
static inline void sp_put_frame(uint8_t *b, const sp_record *r)
{
	memcpy(b, "SHP1\1", 5);
	b[5] = r->type;
	sp_put(b + 6, r->slots, 2);
	sp_put(b + 8, r->epoch, 4);
	sp_put(b + 12, r->length, 4);
	sp_put(b + 16, r->seq, 8);
	sp_put(b + 24, r->ack, 8);
}

typedef struct {
	uint16_t status;
	int32_t number; /* of the descriptor here, -1 when it was not taken */
} sp_verdict;

/* Writes the receipt of the OFFER seq to b, 20 + 8 * n bytes, and returns how many. */
static inline size_t sp_put_receipt(uint8_t *b, uint32_t epoch, uint64_t seq, const sp_verdict *v, unsigned n)
{
	unsigned taken = 0;
	for (unsigned i = 0; i < n; i++) {
		taken += v[i].status == SP_TAKEN;
		sp_put(b + 20 + 8 * i, v[i].status, 4);
		sp_put(b + 24 + 8 * i, (uint32_t)v[i].number, 4);
	}
	memcpy(b, "SHR1\1", 5);
	b[5] = taken == n ? 0 : taken ? 1 : 2;
	sp_put(b + 6, n, 2);
	sp_put(b + 8, epoch, 4);
	sp_put(b + 12, seq, 8);
	return 20 + 8 * (size_t)n;
}

/* ---- the channel --------------------------------------------------------- */

enum { SP_FREE, SP_PENDING, SP_HELD };

typedef struct {
	char name[48];
	uint8_t token[16], kind, mode, access;
	uint8_t state;  /* SP_PENDING: exclusive, before COMMIT */
	int fd;         /* -1 once it is closed */
	uint64_t seq;   /* the OFFER that brought it */
} sp_grant;

typedef struct {
	int fd;
	uint32_t epoch, limit, told;
	uint64_t sent, taken, acked, pings, pongs;
	int (*want)(const sp_slot *); /* NULL: everything is wanted */
	const char *word;             /* why the channel has ended: "closed", "system", or the check that failed */
	sp_grant grant[SP_MAX_GRANTS];
	uint8_t in[SP_MAX_RECORD + 1];
} sp_channel;

enum { SP_NOTHING, SP_GRANTED, SP_REVOKED, SP_MESSAGED, SP_PINGED };

typedef struct {
	int type;
	unsigned grants;               /* of SP_GRANTED and SP_REVOKED */
	sp_grant *grant[SP_MAX_SLOTS]; /* good until sp_release; revoked ones whose state is SP_HELD are to be released */
	uint16_t kind;                 /* of SP_MESSAGED, and its body, good until the next record */
	const uint8_t *body;
	size_t length;
} sp_event;

static inline int sp_end_channel(sp_channel *c, const char *word)
{
	c->word = word;
	return -1;
}

/* Sends a record of at most SP_MAX_UP bytes; waits for room. 0 or -1. */
static inline int sp_send_record(sp_channel *c, int type, const uint8_t *slots, unsigned n, const void *payload, size_t length)
{
	uint8_t head[SP_FRAME];
	struct iovec parts[3];
	struct msghdr m;
	sp_record r;
	memset(&r, 0, sizeof r);
	r.type = (uint8_t)type;
	r.slots = (uint16_t)n;
	r.epoch = c->epoch;
	r.length = (uint32_t)length;
	r.seq = c->sent + 1;
	r.ack = c->taken;
	sp_put_frame(head, &r);
	parts[0].iov_base = head;
	parts[0].iov_len = sizeof head;
	parts[1].iov_base = (void *)(uintptr_t)slots;
	parts[1].iov_len = n * SP_SLOT;
	parts[2].iov_base = (void *)(uintptr_t)payload;
	parts[2].iov_len = length;
	memset(&m, 0, sizeof m);
	m.msg_iov = parts;
	m.msg_iovlen = 3;
	while (sendmsg(c->fd, &m, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return sp_end_channel(c, errno == EPIPE || errno == ECONNRESET ? "closed" : "system");
	c->sent++;
	return 0;
}

/* A message of the layer above, of at most SP_MAX_BODY bytes. Its number is c->sent then. */
static inline int sp_send(sp_channel *c, uint16_t kind, const void *body, size_t length)
{
	uint8_t b[SP_MAX_BODY + 4];
	if (length > SP_MAX_BODY) {
		errno = EMSGSIZE;
		return -1;
	}
	sp_put(b, kind, 4);
	if (length)
		memcpy(b + 4, body, length);
	return sp_send_record(c, SP_MESSAGE, NULL, 0, b, length + 4);
}

static inline int sp_send_number(sp_channel *c, int type, uint64_t v, int size)
{
	uint8_t b[8];
	sp_put(b, v, size);
	return sp_send_record(c, type, NULL, 0, b, (size_t)size);
}

static inline int sp_ping(sp_channel *c)
{
	return sp_send_number(c, SP_PING, ++c->pings, 8);
}

static inline uint32_t sp_room(const sp_channel *c)
{
	uint32_t used = 0;
	for (unsigned i = 0; i < SP_MAX_GRANTS; i++)
		used += c->grant[i].state != SP_FREE;
	if (used >= c->limit)
		return 0;
	return c->limit - used < SP_MAX_SLOTS ? c->limit - used : SP_MAX_SLOTS;
}

static inline int sp_credit(sp_channel *c, uint32_t room)
{
	c->told = room;
	return sp_send_number(c, SP_CREDIT, room, 4);
}

/* The parent is told when there is little room, and when there is more again. */
static inline int sp_news_of_room(sp_channel *c)
{
	uint32_t room = sp_room(c), little = 64;
	if ((room < little ? room : little) == (c->told < little ? c->told : little))
		return 0;
	return sp_credit(c, room);
}

static inline void sp_close_grant(sp_grant *g)
{
	if (g->state != SP_FREE)
		close(g->fd);
	g->fd = -1;
	g->state = SP_FREE;
}

/* Closes grants and says so. */
static inline int sp_release(sp_channel *c, sp_grant **list, unsigned n)
{
	uint8_t slots[5 * SP_SLOT];
	unsigned k = 0;
	memset(slots, 0, sizeof slots);
	for (unsigned i = 0; i < n; i++) {
		memcpy(slots + k++ * SP_SLOT, list[i]->token, 16);
		sp_close_grant(list[i]);
		if (k == 5 || i == n - 1) {
			if (sp_send_record(c, SP_RELEASED, slots, k, NULL, 0) < 0)
				return -1;
			k = 0;
		}
	}
	return sp_news_of_room(c);
}

/* Says BYE and closes the channel and everything that was granted. */
static inline void sp_close(sp_channel *c)
{
	sp_send_number(c, SP_BYE, 0, 4);
	close(c->fd);
	for (unsigned i = 0; i < SP_MAX_GRANTS; i++)
		sp_close_grant(&c->grant[i]);
}

/* Decodes a record and checks all that depends on what came before it; counts it. */
static inline const char *sp_judge(sp_channel *c, const uint8_t *b, size_t n, sp_record *r)
{
	unsigned least = 0, most = 0;
	int64_t size = -1; /* at least 4 */
	const char *word = sp_get_record(b, n, r);
	if (word)
		return word;
	if (r->seq != c->taken + 1)
		return "seq";
	if (c->epoch && r->epoch != c->epoch)
		return "epoch";
	if (r->ack < c->acked || r->ack > c->sent)
		return "ack";
	if ((r->type == SP_WELCOME) != (c->epoch == 0))
		return "direction";
	switch (r->type) {
	case SP_OFFER: least = 1; most = SP_MAX_SLOTS; size = 0; break;
	case SP_REVOKE: least = 1; most = SP_MAX_SLOTS; size = 4; break;
	case SP_WELCOME: case SP_COMMIT: case SP_ABORT: case SP_PING: case SP_PONG: size = 8; break;
	case SP_BYE: size = 4; break;
	case SP_MESSAGE: break;
	default: return "direction";
	}
	if (r->slots < least || r->slots > most)
		return "slots";
	if (size < 0 ? r->length < 4 : r->length != (uint64_t)size)
		return "payload";
	if ((r->type == SP_WELCOME || r->type == SP_MESSAGE) && (r->payload[2] || r->payload[3]))
		return "reserved";
	if (r->type == SP_WELCOME && r->epoch == 0)
		return "epoch";
	if (r->type == SP_WELCOME && sp_get(r->payload, 2) != 1)
		return "payload";
	c->taken = r->seq;
	c->acked = r->ack;
	return NULL;
}

static inline mode_t sp_file_type(uint8_t kind)
{
	switch (kind) {
	case SP_ATTRIBUTE: case SP_FILE: case SP_MEMFD: return S_IFREG;
	case SP_DIRECTORY: return S_IFDIR;
	case SP_I2C: case SP_SPI: case SP_TTY: case SP_EVDEV: return S_IFCHR;
	case SP_LISTENER: case SP_STREAM: case SP_DATAGRAM: return S_IFSOCK;
	case SP_PIPE: return S_IFIFO;
	}
	return 0;
}

static inline sp_grant *sp_by_token(sp_channel *c, const uint8_t *token)
{
	for (unsigned i = 0; i < SP_MAX_GRANTS; i++)
		if (c->grant[i].state != SP_FREE && memcmp(c->grant[i].token, token, 16) == 0)
			return &c->grant[i];
	return NULL;
}

/* Identity level 1: the descriptor against its slot. */
static inline uint16_t sp_inspect(const sp_channel *c, const sp_slot *s, int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return SP_MISSING;
	if (s->mode > SP_LEND)
		return SP_NOT_WANTED;
	if (sp_file_type(s->kind) && sp_file_type(s->kind) != (st.st_mode & S_IFMT))
		return SP_WRONG_KIND;
	if ((s->st_mode & S_IFMT) != (st.st_mode & S_IFMT) || s->dev != (uint64_t)st.st_dev || s->ino != (uint64_t)st.st_ino ||
	    s->rdev != (uint64_t)st.st_rdev)
		return SP_WRONG_IDENTITY;
	if (c->want && !c->want(s))
		return SP_NOT_WANTED;
	return sp_room(c) == 0 ? SP_NO_SLOT : SP_TAKEN;
}

static inline sp_grant *sp_hold(sp_channel *c, const sp_slot *s, int fd, uint64_t seq)
{
	for (unsigned i = 0; i < SP_MAX_GRANTS; i++) {
		sp_grant *g = &c->grant[i];
		if (g->state != SP_FREE)
			continue;
		memcpy(g->name, s->name, sizeof g->name);
		memcpy(g->token, s->token, 16);
		g->kind = s->kind;
		g->mode = s->mode;
		g->access = s->access;
		g->state = SP_PENDING;
		g->fd = fd;
		g->seq = seq;
		return g;
	}
	return NULL; /* cannot be: limit is at most SP_MAX_GRANTS */
}

/* Compare, write the receipt (W5), close its pipe (W6), and only then show what
 * was taken. The second OFFER of a token closes the new copy and gets the answer
 * that the first one had. */
static inline void sp_offered(sp_channel *c, const sp_record *r, const int *fds, sp_event *e)
{
	uint8_t receipt[20 + 8 * SP_MAX_SLOTS];
	sp_verdict v[SP_MAX_SLOTS];
	sp_grant *fresh[SP_MAX_SLOTS];
	unsigned i, n = 0;
	int pipe = fds[r->slots], whole;
	size_t size;
	sp_slot s;
	for (i = 0; i < r->slots; i++) {
		sp_grant *g;
		sp_get_slot(r->slot + i * SP_SLOT, &s);
		g = sp_by_token(c, s.token);
		v[i].status = g ? (uint16_t)SP_TAKEN : sp_inspect(c, &s, fds[i]);
		if (g || v[i].status != SP_TAKEN)
			close(fds[i]);
		else
			g = fresh[n++] = sp_hold(c, &s, fds[i], r->seq);
		v[i].number = g ? g->fd : -1;
	}
	size = sp_put_receipt(receipt, c->epoch, r->seq, v, r->slots);
	do
		whole = write(pipe, receipt, size) == (ssize_t)size;
	while (!whole && errno == EINTR);
	close(pipe);
	for (i = 0; i < n; i++) {
		if (!whole) { /* nobody reads it any more: the parent does not count on our having these */
			sp_close_grant(fresh[i]);
			continue;
		}
		if (fresh[i]->mode != SP_EXCLUSIVE) {
			fresh[i]->state = SP_HELD;
			e->grant[e->grants++] = fresh[i];
		}
	}
	if (e->grants)
		e->type = SP_GRANTED;
	sp_news_of_room(c);
}

/* ABORT closes what an OFFER brought, COMMIT shows what waits for it. */
static inline int sp_decided(sp_channel *c, uint64_t seq, int commit, sp_event *e)
{
	for (unsigned i = 0; i < SP_MAX_GRANTS && e->grants < SP_MAX_SLOTS; i++) {
		sp_grant *g = &c->grant[i];
		if (g->state == SP_FREE || g->seq != seq || (commit && g->state != SP_PENDING))
			continue;
		if (commit || g->state == SP_HELD)
			e->grant[e->grants++] = g;
		if (commit)
			g->state = SP_HELD;
		else
			sp_close_grant(g);
	}
	if (e->grants)
		e->type = commit ? SP_GRANTED : SP_REVOKED;
	else if (commit)
		return sp_end_channel(c, "commit"); /* of a record of which nothing waits */
	if (!commit)
		sp_news_of_room(c);
	return 0;
}

static inline void sp_revoked(sp_channel *c, const sp_record *r, sp_event *e)
{
	for (unsigned i = 0; i < r->slots; i++) {
		sp_grant *g = sp_by_token(c, r->slot + i * SP_SLOT);
		unsigned k = 0;
		while (k < e->grants && e->grant[k] != g)
			k++;
		if (!g || k < e->grants)
			continue; /* closed before, or twice in one record */
		g->state = SP_HELD; /* one that was never shown is to be released all the same */
		e->grant[e->grants++] = g;
	}
	if (e->grants)
		e->type = SP_REVOKED;
}

static inline int sp_act(sp_channel *c, const sp_record *r, const int *fds, unsigned n, sp_event *e)
{
	switch (r->type) {
	case SP_WELCOME: c->epoch = r->epoch; break;
	case SP_OFFER: if (n) sp_offered(c, r, fds, e); break;
	case SP_COMMIT: return sp_decided(c, sp_get(r->payload, 8), 1, e);
	case SP_ABORT: return sp_decided(c, sp_get(r->payload, 8), 0, e);
	case SP_REVOKE: sp_revoked(c, r, e); break;
	case SP_PING:
		e->type = SP_PINGED; /* c->acked has moved */
		if (sp_send_record(c, SP_PONG, NULL, 0, r->payload, 8) < 0 && strcmp(c->word, "closed") != 0)
			return -1; /* from a parent that is gone, what it sent before may still wait */
		break;
	case SP_PONG:
		if (sp_get(r->payload, 8) != c->pongs + 1 || c->pongs >= c->pings)
			return sp_end_channel(c, "payload");
		c->pongs++;
		break;
	case SP_BYE: return sp_end_channel(c, "closed");
	case SP_MESSAGE:
		e->type = SP_MESSAGED;
		e->kind = (uint16_t)sp_get(r->payload, 2);
		e->body = r->payload + 4;
		e->length = r->length - 4;
		break;
	}
	return 0;
}

/* One record, if it takes the wait: all descriptors are collected before
 * anything is looked at (W3, W4). 0, or -1 with c->word. */
static inline int sp_next_record(sp_channel *c, sp_event *e)
{
	union { struct cmsghdr h; char b[CMSG_SPACE(253 * sizeof(int))]; } control;
	int fds[260], resets = 0;
	unsigned n = 0;
	const char *word = NULL;
	struct cmsghdr *h;
	struct msghdr m;
	struct iovec part;
	sp_record r;
	ssize_t got;
	memset(e, 0, sizeof *e);
	memset(&m, 0, sizeof m);
	part.iov_base = c->in;
	part.iov_len = sizeof c->in;
	m.msg_iov = &part;
	m.msg_iovlen = 1;
	m.msg_control = control.b;
	m.msg_controllen = sizeof control.b;
	/* ECONNRESET is told once, ahead of what is queued, when the parent closed with input unread. */
	while ((got = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC)) < 0)
		if (errno != EINTR && (errno != ECONNRESET || resets++ == 2))
			return sp_end_channel(c, errno == ECONNRESET ? "closed" : "system");
	for (h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h))
		if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
			for (size_t at = CMSG_LEN(0); at + sizeof(int) <= h->cmsg_len && n < 260; at += sizeof(int))
				memcpy(&fds[n++], (char *)h + at, sizeof(int));
	memset(&r, 0, sizeof r);
	if (got == 0)
		word = "closed";
	else if ((m.msg_flags & MSG_TRUNC) || got > SP_MAX_RECORD)
		word = "length";
	else
		word = sp_judge(c, c->in, (size_t)got, &r);
	if (!word && r.type != SP_OFFER && (n || (m.msg_flags & MSG_CTRUNC)))
		word = "rights";
	/* Whatever the kernel drops of an OFFER, it drops the receipt pipe, so the parent knows. */
	if (!word && r.type == SP_OFFER && n && !(m.msg_flags & MSG_CTRUNC) && n != r.slots + 1u)
		word = "rights";
	if (word || (m.msg_flags & MSG_CTRUNC))
		while (n > 0)
			close(fds[--n]);
	if (word)
		return sp_end_channel(c, word);
	return sp_act(c, &r, fds, n, e);
}

/* What the parent sent next: 1 and an event; 0 after so many milliseconds (-1:
 * never) or a signal; -1 at the end of the channel, c->word says why. */
static inline int sp_receive(sp_channel *c, sp_event *e, int milliseconds)
{
	for (;;) {
		struct pollfd p;
		int ready;
		p.fd = c->fd;
		p.events = POLLIN;
		ready = poll(&p, 1, milliseconds);
		if (ready == 0 || (ready < 0 && errno == EINTR))
			return 0;
		if (sp_next_record(c, e) < 0)
			return -1;
		if (e->type != SP_NOTHING)
			return 1;
	}
}

/* Takes the descriptor fd, or with -1 the one that SALLYPORT_CHANNEL names; says
 * HELLO and waits for WELCOME. limit 0: as many descriptors as the process may
 * have open, less SP_RESERVE. 0 or -1. */
static inline int sp_attach(sp_channel *c, int fd, uint32_t limit)
{
	uint8_t hello[12];
	struct rlimit numbers;
	sp_event e;
	memset(c, 0, sizeof *c);
	if (fd < 0) {
		const char *named = getenv("SALLYPORT_CHANNEL");
		fd = named ? atoi(named) : -1;
	}
	c->fd = fd;
	c->word = "not started by a supervisor";
	if (fd < 3 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	signal(SIGPIPE, SIG_IGN); /* a receipt or a bell that nobody reads is no reason to die */
	if (limit == 0 && getrlimit(RLIMIT_NOFILE, &numbers) == 0)
		limit = numbers.rlim_cur > SP_RESERVE + SP_MAX_GRANTS ? SP_MAX_GRANTS
		        : numbers.rlim_cur > SP_RESERVE ? (uint32_t)(numbers.rlim_cur - SP_RESERVE) : 1;
	c->limit = limit > SP_MAX_GRANTS ? SP_MAX_GRANTS : limit;
	c->told = sp_room(c);
	memcpy(hello, "\1\0\1\0\0\0\0", 8);
	sp_put(hello + 8, c->told, 4);
	if (sp_send_record(c, SP_HELLO, NULL, 0, hello, sizeof hello) < 0)
		return -1;
	return sp_next_record(c, &e);
}

/* ---- START: a reader of this one shape of JSON --------------------------- */

#define SP_MAX_START 16384
#ifndef SP_MAX_LIST /* settings, sensors, receivers and senders of one worker */
#define SP_MAX_SETTINGS 64
#define SP_MAX_SENSORS 256
#define SP_MAX_PEERS 32
#endif
#define SP_MAX_BANDS 8

typedef struct { const char *key, *value; } sp_setting;
typedef struct { uint32_t id, worker; const char *name, *unit, *grant, *decode; } sp_sensor;
typedef struct {
	const char *queue, *bell, *full; /* full: what a reading does at a full lane, drop-new or block */
	uint32_t to;
	int32_t urgent, routine, ack; /* queue ids; -1 for a lane that there is not */
	unsigned bands;
	struct { const char *name; uint16_t type; } band[SP_MAX_BANDS];
} sp_out;
typedef struct { const char *queue; uint32_t from; int32_t urgent, routine, ack; } sp_in;

typedef struct {
	char text[SP_MAX_START + 1]; /* what the pointers point into */
	uint32_t v, worker;
	const char *name, *bell;
	unsigned settings, sensors, send, receive;
	sp_setting setting[SP_MAX_SETTINGS];
	sp_sensor sensor[SP_MAX_SENSORS];
	sp_out out[SP_MAX_PEERS];
	sp_in in[SP_MAX_PEERS];
} sp_start;

typedef struct { char *p, *end; int bad; } sp_json;
enum { SP_J_TEXT, SP_J_U32, SP_J_I32, SP_J_WORKER, SP_J_SETTINGS, SP_J_SENSORS, SP_J_SEND, SP_J_RECEIVE, SP_J_BANDS };
typedef struct { const char *key; int type; size_t at; } sp_field;

static inline int sp_json_peek(sp_json *j)
{
	while (j->p < j->end && (*j->p == ' ' || *j->p == '\t' || *j->p == '\n' || *j->p == '\r'))
		j->p++;
	return j->p < j->end ? (uint8_t)*j->p : -1;
}

static inline void sp_json_byte(sp_json *j, char c)
{
	if (sp_json_peek(j) == c)
		j->p++;
	else
		j->bad = 1;
}

/* After an element: 1 when another follows, 0 at the end. */
static inline int sp_json_more(sp_json *j, char end)
{
	int c = sp_json_peek(j);
	if (j->bad || (c != ',' && c != end))
		j->bad = 1;
	else
		j->p++;
	return !j->bad && c == ',';
}

static inline uint32_t sp_json_hex(sp_json *j)
{
	uint32_t v = 0;
	for (int i = 0; i < 4; i++, j->p++) {
		char c = j->p < j->end ? *j->p : 0;
		int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
		if (digit < 0) {
			j->bad = 1;
			return 0;
		}
		v = v << 4 | (uint32_t)digit;
	}
	return v;
}

static inline char *sp_json_rune(char *to, uint32_t c)
{
	int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	static const uint8_t lead[4] = {0, 0xc0, 0xe0, 0xf0};
	*to++ = (char)(lead[more] | (c >> (6 * more)));
	while (more-- > 0)
		*to++ = (char)(0x80 | ((c >> (6 * more)) & 0x3f));
	return to;
}

/* A string, unescaped where it stands. One with a zero byte in it is refused. */
static inline const char *sp_json_text(sp_json *j)
{
	static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	char *start, *to;
	sp_json_byte(j, '"');
	start = to = j->p;
	while (!j->bad && j->p < j->end && *j->p != '"') {
		const char *name;
		uint32_t c;
		if ((uint8_t)*j->p < 0x20) {
			j->bad = 1;
		} else if (*j->p != '\\') {
			*to++ = *j->p++;
		} else if (++j->p < j->end && *j->p && (name = strchr(names, *j->p)) != NULL) {
			*to++ = bytes[name - names];
			j->p++;
		} else if (j->p < j->end && *j->p++ == 'u') {
			c = sp_json_hex(j);
			if (c >= 0xd800 && c < 0xdc00 && j->end - j->p > 6 && j->p[0] == '\\' && j->p[1] == 'u') {
				uint32_t low;
				j->p += 2;
				low = sp_json_hex(j);
				c = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff) : 0xfffd;
			} else if (c >= 0xd800 && c < 0xe000) {
				c = 0xfffd;
			}
			to = sp_json_rune(to, c);
		} else {
			j->bad = 1;
		}
	}
	if (j->bad || j->p >= j->end) {
		j->bad = 1;
		return "";
	}
	j->p++;
	*to = 0;
	if (!sp_utf8(start, (size_t)(to - start), 0))
		j->bad = 1;
	return start;
}

static inline int64_t sp_json_number(sp_json *j, int64_t low, int64_t high)
{
	int negative = sp_json_peek(j) == '-', digits = 0;
	int64_t v = 0;
	char first;
	j->p += negative;
	first = j->p < j->end ? *j->p : 0;
	for (; j->p < j->end && *j->p >= '0' && *j->p <= '9' && digits < 12; j->p++, digits++)
		v = v * 10 + (*j->p - '0');
	v = negative ? -v : v;
	if (digits == 0 || (digits > 1 && first == '0') || v < low || v > high ||
	    (j->p < j->end && *j->p && strchr(".eE0123456789", *j->p)))
		j->bad = 1;
	return v;
}

static inline void sp_json_list(sp_json *j, int type, sp_start *s);
static inline void sp_json_map(sp_json *j, int type, sp_start *s, sp_out *out);

/* An object with exactly these keys. */
static inline void sp_json_object(sp_json *j, const sp_field *f, unsigned n, void *base, sp_start *s)
{
	static const sp_field worker[] = {{"id", SP_J_U32, offsetof(sp_start, worker)}, {"name", SP_J_TEXT, offsetof(sp_start, name)}};
	unsigned seen = 0, i;
	sp_json_byte(j, '{');
	do {
		const char *key = sp_json_text(j);
		char *at;
		sp_json_byte(j, ':');
		for (i = 0; i < n && strcmp(f[i].key, key) != 0; i++)
			;
		if (j->bad || i == n || (seen & 1u << i)) {
			j->bad = 1;
			return;
		}
		seen |= 1u << i;
		at = (char *)base + f[i].at;
		if (f[i].type == SP_J_TEXT)
			*(const char **)at = sp_json_text(j);
		else if (f[i].type == SP_J_U32)
			*(uint32_t *)at = (uint32_t)sp_json_number(j, 0, UINT32_MAX);
		else if (f[i].type == SP_J_I32)
			*(int32_t *)at = (int32_t)sp_json_number(j, INT32_MIN, INT32_MAX);
		else if (f[i].type == SP_J_WORKER)
			sp_json_object(j, worker, 2, s, s);
		else if (f[i].type == SP_J_SETTINGS || f[i].type == SP_J_BANDS)
			sp_json_map(j, f[i].type, s, (sp_out *)base);
		else
			sp_json_list(j, f[i].type, s);
	} while (sp_json_more(j, '}'));
	if (seen != (1u << n) - 1)
		j->bad = 1;
}

static inline void sp_json_map(sp_json *j, int type, sp_start *s, sp_out *out)
{
	sp_json_byte(j, '{');
	if (sp_json_peek(j) == '}') {
		j->p++;
		return;
	}
	do {
		const char *key = sp_json_text(j);
		unsigned i;
		sp_json_byte(j, ':');
		if (type == SP_J_SETTINGS) {
			const char *value = sp_json_text(j);
			for (i = 0; i < s->settings; i++)
				j->bad |= strcmp(s->setting[i].key, key) == 0;
			if (s->settings == SP_MAX_SETTINGS) {
				j->bad = 1;
				return;
			}
			s->setting[s->settings].key = key;
			s->setting[s->settings++].value = value;
		} else {
			uint16_t band = (uint16_t)sp_json_number(j, 0, 0xffff);
			for (i = 0; i < out->bands; i++)
				j->bad |= strcmp(out->band[i].name, key) == 0;
			if (out->bands == SP_MAX_BANDS) {
				j->bad = 1;
				return;
			}
			out->band[out->bands].name = key;
			out->band[out->bands++].type = band;
		}
	} while (sp_json_more(j, '}'));
}

static inline void sp_json_list(sp_json *j, int type, sp_start *s)
{
	static const sp_field sensor[] = {
		{"id", SP_J_U32, offsetof(sp_sensor, id)}, {"name", SP_J_TEXT, offsetof(sp_sensor, name)},
		{"worker", SP_J_U32, offsetof(sp_sensor, worker)}, {"unit", SP_J_TEXT, offsetof(sp_sensor, unit)},
		{"grant", SP_J_TEXT, offsetof(sp_sensor, grant)}, {"decode", SP_J_TEXT, offsetof(sp_sensor, decode)}};
	static const sp_field out[] = {
		{"queue", SP_J_TEXT, offsetof(sp_out, queue)}, {"to", SP_J_U32, offsetof(sp_out, to)},
		{"urgent", SP_J_I32, offsetof(sp_out, urgent)}, {"routine", SP_J_I32, offsetof(sp_out, routine)},
		{"ack", SP_J_I32, offsetof(sp_out, ack)}, {"bell", SP_J_TEXT, offsetof(sp_out, bell)}, {"bands", SP_J_BANDS, 0},
		{"full", SP_J_TEXT, offsetof(sp_out, full)}};
	static const sp_field in[] = {
		{"queue", SP_J_TEXT, offsetof(sp_in, queue)}, {"from", SP_J_U32, offsetof(sp_in, from)},
		{"urgent", SP_J_I32, offsetof(sp_in, urgent)}, {"routine", SP_J_I32, offsetof(sp_in, routine)},
		{"ack", SP_J_I32, offsetof(sp_in, ack)}};
	sp_json_byte(j, '[');
	if (sp_json_peek(j) == ']') {
		j->p++;
		return;
	}
	do {
		if (type == SP_J_SENSORS && s->sensors < SP_MAX_SENSORS)
			sp_json_object(j, sensor, 6, &s->sensor[s->sensors++], s);
		else if (type == SP_J_SEND && s->send < SP_MAX_PEERS)
			sp_json_object(j, out, 8, &s->out[s->send++], s);
		else if (type == SP_J_RECEIVE && s->receive < SP_MAX_PEERS)
			sp_json_object(j, in, 5, &s->in[s->receive++], s);
		else
			j->bad = 1;
	} while (sp_json_more(j, ']'));
}

/* Reads START. More entries than the SP_MAX_ numbers have room for are refused too. */
static inline const char *sp_read_start(sp_start *s, const void *data, size_t n)
{
	static const sp_field top[] = {
		{"v", SP_J_U32, offsetof(sp_start, v)}, {"worker", SP_J_WORKER, 0}, {"settings", SP_J_SETTINGS, 0},
		{"sensors", SP_J_SENSORS, 0}, {"send", SP_J_SEND, 0}, {"receive", SP_J_RECEIVE, 0},
		{"bell", SP_J_TEXT, offsetof(sp_start, bell)}};
	sp_json j;
	if (n > SP_MAX_START)
		return "start";
	memset(s, 0, sizeof *s);
	if (n)
		memcpy(s->text, data, n);
	j.p = s->text;
	j.end = s->text + n;
	j.bad = 0;
	sp_json_object(&j, top, 7, s, s);
	for (unsigned i = 0; !j.bad && i < s->send; i++)
		j.bad = strcmp(s->out[i].full, "drop-new") != 0 && strcmp(s->out[i].full, "block") != 0;
	return j.bad || sp_json_peek(&j) != -1 || s->v != 1 ? "start" : NULL;
}

/* ---- frames of the bus ---------------------------------------------------- */

enum { SP_READING = 1, SP_ALERT, SP_ACK };
#define SP_ANYONE UINT32_MAX /* of a shared queue: whoever receives, or a sender that is no worker */
enum { SP_RESENT = 1, SP_CUT = 2 };
enum { SP_MSG_START = 1, SP_MSG_STOP };
enum { SP_MSG_READY = 1, SP_MSG_ALIVE, SP_MSG_STATUS, SP_MSG_LOST, SP_MSG_DONE, SP_MSG_NEXT, SP_MSG_SEEN, SP_MSG_COUNT };
#define SP_MAX_TEXT 191

typedef struct {
	uint8_t kind;
	uint16_t band;
	uint32_t worker, sensor, epoch, flags;
	uint64_t seq;
	int64_t boottime, wall; /* ns */
	double value;
	char unit[9], text[SP_MAX_TEXT + 1];
} sp_frame;

static inline const char *sp_get_frame(const uint8_t *b, size_t n, sp_frame *f)
{
	uint64_t value;
	size_t unit, text = 0;
	if (n != 64 && n != 256)
		return "size";
	if (b[0] != 1)
		return "version";
	if (sp_get(b + 60, 4) != 0)
		return "reserved";
	memset(f, 0, sizeof *f);
	f->kind = b[1];
	f->band = (uint16_t)sp_get(b + 2, 2);
	f->worker = (uint32_t)sp_get(b + 4, 4);
	f->sensor = (uint32_t)sp_get(b + 8, 4);
	f->epoch = (uint32_t)sp_get(b + 12, 4);
	f->seq = sp_get(b + 16, 8);
	f->boottime = (int64_t)sp_get(b + 24, 8);
	f->wall = (int64_t)sp_get(b + 32, 8);
	value = sp_get(b + 40, 8);
	memcpy(&f->value, &value, 8);
	memcpy(f->unit, b + 48, 8);
	unit = strlen(f->unit);
	f->flags = (uint32_t)sp_get(b + 56, 4);
	if (n == 256) {
		text = b[64];
		if (text == 0 || text > SP_MAX_TEXT || !sp_zero(b + 65 + text, SP_MAX_TEXT - text))
			return "text";
		memcpy(f->text, b + 65, text);
	}
	if (f->kind < SP_READING || f->kind > SP_ACK)
		return "kind";
	if (f->band == 0)
		return "band";
	if (f->seq == 0)
		return "seq";
	if (f->flags > (SP_RESENT | SP_CUT))
		return "flags";
	if ((value >> 52 & 0x7ff) == 0x7ff)
		return "value"; /* infinite, or no number */
	if (!sp_zero(b + 48 + unit, 8 - unit) || !sp_utf8(f->unit, unit, 1))
		return "unit";
	if (text && (f->kind != SP_ALERT || !sp_utf8(f->text, text, 1)))
		return "text";
	return NULL;
}

/* Writes 64 bytes, or 256 with a text, to b and *n; refuses what sp_get_frame would. */
static inline const char *sp_put_bus_frame(const sp_frame *f, uint8_t b[256], size_t *n)
{
	sp_frame again;
	uint64_t value;
	memset(b, 0, 256);
	b[0] = 1;
	b[1] = f->kind;
	sp_put(b + 2, f->band, 2);
	sp_put(b + 4, f->worker, 4);
	sp_put(b + 8, f->sensor, 4);
	sp_put(b + 12, f->epoch, 4);
	sp_put(b + 16, f->seq, 8);
	sp_put(b + 24, (uint64_t)f->boottime, 8);
	sp_put(b + 32, (uint64_t)f->wall, 8);
	memcpy(&value, &f->value, 8);
	sp_put(b + 40, value, 8);
	memcpy(b + 48, f->unit, strlen(f->unit));
	sp_put(b + 56, f->flags, 4);
	b[64] = (uint8_t)strlen(f->text);
	memcpy(b + 65, f->text, b[64]);
	*n = b[64] ? 256 : 64;
	return sp_get_frame(b, *n, &again);
}

/* Any string as the text of an alert: what is not printable becomes U+FFFD, what
 * is too long is cut at a character. Returns whether it was cut. */
static inline int sp_cut_text(char to[SP_MAX_TEXT + 1], const char *text)
{
	size_t n = 0;
	while (*text) {
		size_t size = 1;
		const char *from = "\xef\xbf\xbd";
		while (size < 4 && ((uint8_t)text[size] & 0xc0) == 0x80)
			size++;
		while (size > 1 && !sp_utf8(text, size, 0))
			size--;
		if (sp_utf8(text, size, 1))
			from = text;
		text += size;
		size = from == text - size ? size : 3;
		if (n + size > SP_MAX_TEXT)
			break;
		memcpy(to + n, from, size);
		n += size;
		if (!*text) {
			to[n] = 0;
			return 0;
		}
	}
	to[n] = 0;
	return *text != 0 || n > 0;
}

/* ---- lanes ------------------------------------------------------------------ */

#define SP_OUTBOX 64   /* alerts that wait for an acknowledgement, a receiver */
#define SP_SPANS 64    /* runs of sequence numbers remembered */
#define SP_EPOCHS 4    /* lives of one sender remembered */
#define SP_WINDOWS 64  /* alerts watched for SEEN */
#define SP_SECOND 1000000000LL

typedef struct { long type; uint8_t b[256]; } sp_message;

/* 0, or the errno. Never waits. */
static inline int sp_put_message(int queue, const sp_frame *f)
{
	sp_message m;
	size_t n;
	if (sp_put_bus_frame(f, m.b, &n))
		return ERANGE;
	m.type = f->band;
	while (msgsnd(queue, &m, n, IPC_NOWAIT) < 0)
		if (errno != EINTR)
			return errno;
	return 0;
}

/* Bytes of the next message, the lowest type first, or minus the errno. Never waits. */
static inline ssize_t sp_get_message(int queue, sp_message *m)
{
	ssize_t n;
	while ((n = msgrcv(queue, m, sizeof m->b, -LONG_MAX, IPC_NOWAIT)) < 0 && errno == EINTR)
		;
	if (n < 0 && errno == E2BIG) { /* nobody may send this, but were it left it would block the lane */
		struct { long type; uint8_t b[65536]; } rubbish;
		n = msgrcv(queue, &rubbish, sizeof rubbish.b, -LONG_MAX, IPC_NOWAIT);
		return n < 0 ? -errno : 0;
	}
	return n < 0 ? -errno : n;
}

static inline int64_t sp_clock(clockid_t which)
{
	struct timespec t;
	clock_gettime(which, &t);
	return (int64_t)t.tv_sec * SP_SECOND + t.tv_nsec;
}

typedef struct {
	const sp_out *out;
	int bell; /* -1 for none */
	uint64_t seq, sent, dropped, alert_seq, alert_sent, lost;
	uint32_t waited;
	unsigned waiting;
	struct { sp_frame f; int sent; int64_t again, pause; } box[SP_OUTBOX]; /* oldest first */
	uint8_t said[2][56];
} sp_sender;

static inline void sp_ring(const sp_sender *s)
{
	if (s->bell >= 0 && write(s->bell, "\1", 1) < 0)
		errno = 0; /* a full pipe is a bell that rings */
}

/* 0, or the errno of a closed lane. A full one drops, which is counted and no error; with wait it is EAGAIN. */
static inline int sp_send_reading(sp_sender *s, sp_frame *f, int wait)
{
	int error;
	f->seq = s->seq + 1;
	error = sp_put_message(s->out->routine, f);
	if (error && (wait || error != EAGAIN))
		return error;
	s->seq++;
	s->sent += error == 0;
	s->dropped += error != 0;
	sp_ring(s);
	return 0;
}

static inline void sp_drop_alert(sp_sender *s, unsigned i)
{
	memmove(&s->box[i], &s->box[i + 1], (--s->waiting - i) * sizeof s->box[0]);
}

static inline void sp_collect(sp_sender *s, uint32_t epoch)
{
	sp_message m;
	sp_frame a;
	ssize_t n;
	while (s->out->ack >= 0 && (n = sp_get_message(s->out->ack, &m)) >= 0) {
		if (sp_get_frame(m.b, (size_t)n, &a) || a.kind != SP_ACK || (a.worker != s->out->to && s->out->to != SP_ANYONE) || a.epoch != epoch)
			continue; /* of a predecessor of ours, or rubbish */
		for (unsigned i = 0; i < s->waiting; i++)
			if (s->box[i].f.seq == a.seq)
				sp_drop_alert(s, i--);
	}
}

static inline int sp_send_alert(sp_sender *s, sp_frame *f)
{
	int error;
	if (s->out->to == 0) { /* the supervisor's tap: once, without the text */
		sp_frame bare = *f;
		memset(bare.text, 0, sizeof bare.text);
		bare.flags &= ~(uint32_t)SP_CUT;
		return sp_send_reading(s, &bare, 0);
	}
	f->seq = s->alert_seq + 1;
	error = sp_put_message(s->out->urgent, f);
	if (error && error != EAGAIN)
		return error;
	s->alert_seq++;
	s->alert_sent += error == 0;
	if (s->waiting == SP_OUTBOX)
		sp_collect(s, f->epoch);
	if (s->waiting == SP_OUTBOX) {
		sp_drop_alert(s, 0);
		s->lost++;
	}
	s->box[s->waiting].f = *f;
	s->box[s->waiting].sent = error == 0;
	s->box[s->waiting].pause = SP_SECOND;
	s->box[s->waiting++].again = f->boottime + (error == 0 ? SP_SECOND : 0);
	sp_ring(s);
	return 0;
}

/* Sends again what was not acknowledged in time: after 1 s, doubling to 8 s. */
static inline void sp_resend(sp_sender *s, uint32_t epoch, int64_t now)
{
	int rang = 0;
	if (s->waiting)
		sp_collect(s, epoch);
	for (unsigned i = 0; i < s->waiting; i++) {
		int error;
		if (s->box[i].again > now)
			continue;
		if (s->box[i].sent)
			s->box[i].f.flags |= SP_RESENT;
		error = sp_put_message(s->out->urgent, &s->box[i].f);
		if (error == EIDRM || error == EINVAL) {
			sp_drop_alert(s, i--);
			s->lost++;
			continue;
		}
		if (error)
			break;
		if (s->box[i].sent)
			s->box[i].pause = s->box[i].pause * 2 > 8 * SP_SECOND ? 8 * SP_SECOND : s->box[i].pause * 2;
		s->alert_sent += !s->box[i].sent;
		s->box[i].sent = 1;
		s->box[i].again = now + s->box[i].pause;
		rang = 1;
	}
	if (rang)
		sp_ring(s);
}

typedef struct {
	uint32_t number;
	uint64_t used, taken, closed; /* closed: numbers in holes that are not remembered one by one */
	unsigned spans;
	struct { uint64_t low, high; } span[SP_SPANS + 1]; /* of numbers that came, ascending */
	uint8_t said[56];
} sp_epoch;

typedef struct {
	int queue, ack, urgent, gone, shared; /* shared: others send and receive there too */
	uint32_t from;
	uint64_t dropped, turns;
	unsigned epochs;
	sp_epoch epoch[SP_EPOCHS];
	uint8_t said[56];
} sp_lane;

static inline sp_epoch *sp_epoch_of(sp_lane *l, uint32_t number)
{
	sp_epoch *e = NULL, *oldest = &l->epoch[0];
	for (unsigned i = 0; i < l->epochs; i++) {
		if (l->epoch[i].number == number)
			e = &l->epoch[i];
		if (l->epoch[i].used < oldest->used)
			oldest = &l->epoch[i];
	}
	if (!e) {
		e = l->epochs < SP_EPOCHS ? &l->epoch[l->epochs++] : oldest;
		memset(e, 0, sizeof *e);
		e->number = number;
	}
	e->used = ++l->turns;
	return e;
}

static inline int sp_has(const sp_epoch *e, uint64_t n)
{
	for (unsigned i = 0; i < e->spans; i++)
		if (e->span[i].low <= n && n <= e->span[i].high)
			return 1;
	return 0;
}

static inline void sp_add(sp_epoch *e, uint64_t n)
{
	unsigned i = 0;
	if (sp_has(e, n))
		return;
	while (i < e->spans && e->span[i].high < n)
		i++;
	memmove(&e->span[i + 1], &e->span[i], (e->spans++ - i) * sizeof e->span[0]);
	e->span[i].low = e->span[i].high = n;
	if (i + 1 < e->spans && e->span[i + 1].low == n + 1) {
		e->span[i].high = e->span[i + 1].high;
		memmove(&e->span[i + 1], &e->span[i + 2], (--e->spans - i - 1) * sizeof e->span[0]);
	}
	if (i > 0 && e->span[i - 1].high + 1 == n) {
		e->span[i - 1].high = e->span[i].high;
		memmove(&e->span[i], &e->span[i + 1], (--e->spans - i) * sizeof e->span[0]);
	}
	if (e->spans > SP_SPANS) {
		e->closed += e->span[1].low - e->span[0].high - 1;
		e->span[1].low = e->span[0].low;
		memmove(&e->span[0], &e->span[1], --e->spans * sizeof e->span[0]);
	}
}

static inline void sp_acknowledge(const sp_lane *l, const sp_frame *alert, uint32_t me)
{
	sp_frame a;
	if (l->ack < 0)
		return;
	memset(&a, 0, sizeof a);
	a.kind = SP_ACK;
	a.band = alert->band;
	a.worker = me;
	a.epoch = alert->epoch;
	a.seq = alert->seq;
	sp_put_message(l->ack, &a); /* when it does not get through, the alert comes again */
}

/* The lane of a frame's sender among n: l itself, or where several share the queue the one of its worker. */
static inline sp_lane *sp_lane_of(sp_lane *lanes, unsigned n, sp_lane *l, uint32_t worker)
{
	sp_lane *anyone = NULL;
	for (unsigned i = 0; i < n; i++) {
		if (lanes[i].queue != l->queue || lanes[i].urgent != l->urgent)
			continue;
		if (lanes[i].from == worker)
			return &lanes[i];
		if (lanes[i].from == SP_ANYONE)
			anyone = &lanes[i];
	}
	return anyone;
}

/* The next good frame that was not taken before, with the lane of its sender, or NULL. Where a queue is not shared
 * the lane says who sent it; a frame can say anything. */
static inline sp_lane *sp_take_lane(sp_lane *lanes, unsigned count, sp_lane *l, sp_frame *f, uint32_t me)
{
	sp_message m;
	for (int i = 0; i < 64; i++) {
		sp_lane *from;
		ssize_t n = sp_get_message(l->queue, &m);
		if (n < 0) {
			l->gone = n == -EIDRM || n == -EINVAL;
			return NULL;
		}
		if (sp_get_frame(m.b, (size_t)n, f) || f->band != m.type || f->kind != (l->urgent ? SP_ALERT : SP_READING) ||
		    (from = sp_lane_of(lanes, count, l, f->worker)) == NULL)
			l->dropped++;
		else if (from->from == SP_ANYONE || !sp_has(sp_epoch_of(from, f->epoch), f->seq))
			return from;
		else if (l->urgent)
			sp_acknowledge(from, f, me); /* the first word of it was lost */
		else
			l->dropped++;
	}
	return NULL;
}

/* ---- the worker -------------------------------------------------------------- */

typedef struct {
	const char *sensor; /* "" when the configuration does not name it */
	uint32_t worker, sensor_id;
	int alert;
	sp_frame frame;
} sp_item;

typedef struct {
	sp_channel channel;
	sp_start start;
	int started, open, stopping, failed;
	sp_sender out[SP_MAX_PEERS];
	unsigned lanes, turn;
	sp_lane lane[2 * SP_MAX_PEERS]; /* urgent ones first */
	sp_lane *hand;                  /* of the frame that the caller has in hand */
	sp_frame held;
	unsigned windows;
	struct { uint64_t seq; uint32_t from, sensor, overtook, latency; int64_t boottime, ends; } window[SP_WINDOWS];
	int bell;
	uint64_t ready_seq, said;
	int64_t next, tick_at, count_at, alive_at;
	char lost[SP_MAX_SENSORS][48]; /* names of grants that stopped working; "" for a free place */
} sp_worker;

static volatile sig_atomic_t sp_terminated;
static inline void sp_on_term(int signal_number) { sp_terminated = signal_number; }

static inline int sp_stopping(sp_worker *w)
{
	return w->stopping |= sp_terminated != 0;
}

static inline int sp_say(sp_worker *w, uint16_t kind, const void *body, size_t n)
{
	int sent = sp_send(&w->channel, kind, body, n);
	if (sent == 0)
		w->said = w->channel.sent;
	return sent;
}

static inline sp_grant *sp_grant_of(sp_worker *w, const char *name)
{
	sp_grant *latest = NULL;
	for (unsigned i = 0; name && i < SP_MAX_GRANTS; i++) {
		sp_grant *g = &w->channel.grant[i];
		if (g->state == SP_HELD && strcmp(g->name, name) == 0 && (!latest || g->seq > latest->seq))
			latest = g;
	}
	return latest;
}

/* The descriptor of a grant, -1 when there is none; it stays the worker's. */
static inline int sp_fd(sp_worker *w, const char *name)
{
	sp_grant *g = sp_grant_of(w, name);
	return g ? g->fd : -1;
}

static inline int sp_is_bell(const sp_worker *w, const char *name)
{
	for (unsigned i = 0; i < w->start.send; i++)
		if (strcmp(w->start.out[i].bell, name) == 0)
			return 1;
	return w->started && strcmp(w->start.bell, name) == 0;
}

/* A new grant of a name replaces the old one; a bell, which the lanes hold, stays. */
static inline void sp_replaced(sp_worker *w, sp_grant *fresh)
{
	for (unsigned i = 0; i < SP_MAX_GRANTS; i++) {
		sp_grant *g = &w->channel.grant[i], *old = sp_is_bell(w, g->name) ? fresh : g;
		if (g->state == SP_HELD && g != fresh && strcmp(g->name, fresh->name) == 0) {
			sp_release(&w->channel, &old, 1);
			break;
		}
	}
	for (unsigned i = 0; i < SP_MAX_SENSORS; i++)
		if (strcmp(w->lost[i], fresh->name) == 0)
			w->lost[i][0] = 0;
}

/* One event of the supervisor, if one comes in time: 0, or -1 when the channel has ended. A worker does not
 * outlive its supervisor: it ends the process then, without a word when the supervisor is merely gone. */
static inline int sp_step(sp_worker *w, int milliseconds)
{
	sp_event e;
	unsigned held = 0;
	int got = sp_receive(&w->channel, &e, milliseconds);
	if (got < 0) {
		if (strcmp(w->channel.word, "closed") != 0)
			fprintf(stderr, "channel: %s\n", w->channel.word);
		_exit(1);
	}
	if (got == 0)
		return 0;
	for (unsigned i = 0; i < e.grants; i++) {
		if (e.type == SP_GRANTED)
			sp_replaced(w, e.grant[i]);
		else if (e.grant[i]->state == SP_HELD)
			e.grant[held++] = e.grant[i];
	}
	if (e.type == SP_REVOKED && held)
		sp_release(&w->channel, e.grant, held);
	if (e.type == SP_MESSAGED && e.kind == SP_MSG_STOP)
		w->stopping = 1;
	if (e.type == SP_MESSAGED && e.kind == SP_MSG_START) {
		if (w->started || sp_read_start(&w->start, e.body, e.length)) {
			fprintf(stderr, "START is malformed, or came twice\n");
			_exit(1);
		}
		w->started = 1;
	}
	return 0;
}

static inline void sp_nonblocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static inline void sp_open_lane(sp_worker *w, int queue, int ack, uint32_t from, int urgent)
{
	sp_lane *l = &w->lane[w->lanes];
	if (queue < 0)
		return;
	l->queue = queue;
	l->ack = ack;
	l->from = from;
	l->urgent = urgent;
	l->shared = from == SP_ANYONE;
	for (unsigned i = 0; i < w->lanes; i++)
		if (w->lane[i].queue == queue && w->lane[i].urgent == urgent)
			w->lane[i].shared = l->shared = 1;
	w->lanes++;
}

/* Attaches, waits for START and for the bells that it names. 0 or -1. */
static inline int sp_begin(sp_worker *w)
{
	struct sigaction term;
	memset(&term, 0, sizeof term);
	term.sa_handler = sp_on_term;
	sigaction(SIGTERM, &term, NULL);
	if (sp_attach(&w->channel, -1, 0) < 0) {
		fprintf(stderr, "channel: %s\n", w->channel.word);
		w->failed = 1;
		return -1;
	}
	while (!w->started)
		sp_step(w, -1);
	for (unsigned i = 0; i < w->start.send; i++) {
		const char *bell = w->start.out[i].bell;
		w->out[i].out = &w->start.out[i];
		while (*bell && sp_fd(w, bell) < 0)
			sp_step(w, -1);
		w->out[i].bell = *bell ? sp_fd(w, bell) : -1;
		if (*bell)
			sp_nonblocking(w->out[i].bell);
	}
	w->bell = -1;
	if (w->start.receive && *w->start.bell) {
		while ((w->bell = sp_fd(w, w->start.bell)) < 0)
			sp_step(w, -1);
		sp_nonblocking(w->bell);
	}
	for (unsigned i = 0; i < w->start.receive; i++)
		sp_open_lane(w, w->start.in[i].urgent, w->start.in[i].ack, w->start.in[i].from, 1);
	for (unsigned i = 0; i < w->start.receive; i++)
		sp_open_lane(w, w->start.in[i].routine, -1, w->start.in[i].from, 0);
	w->alive_at = sp_clock(CLOCK_MONOTONIC);
	return 0;
}

/* Says READY once and waits until the supervisor has opened the lanes. Sending and receiving call it. */
static inline void sp_ready(sp_worker *w)
{
	if (!w->ready_seq && sp_say(w, SP_MSG_READY, NULL, 0) == 0)
		w->ready_seq = w->said;
	while (!w->open && !sp_stopping(w)) {
		sp_step(w, 1000);
		w->open = w->ready_seq && w->channel.acked >= w->ready_seq;
	}
}

static inline const char *sp_setting_of(sp_worker *w, const char *name, const char *otherwise)
{
	for (unsigned i = 0; i < w->start.settings; i++)
		if (strcmp(w->start.setting[i].key, name) == 0)
			return w->start.setting[i].value;
	return otherwise;
}

/* A setting such as "10s" or "1m30s" in milliseconds; one that makes no sense is reported, and otherwise taken. */
static inline int64_t sp_duration(sp_worker *w, const char *name, int64_t otherwise)
{
	static const struct { const char *unit; double ms; } units[] = {{"ns", 1e-6}, {"us", 1e-3}, {"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}};
	const char *text = sp_setting_of(w, name, ""), *p = text;
	double sum = 0;
	while (*p) {
		char *end;
		double v = strtod(p, &end);
		size_t n = strspn(end, "nusmh"), i;
		for (i = 0; i < 6 && (strlen(units[i].unit) != n || strncmp(end, units[i].unit, n) != 0); i++)
			;
		if (end == p || i == 6 || !(*p >= '0' && *p <= '9')) {
			fprintf(stderr, "setting %s: \"%s\" is no duration; write it as in \"10s\" or \"500ms\"\n", name, text);
			return otherwise;
		}
		sum += v * units[i].ms;
		p = end + n;
	}
	return sum >= 1 ? (int64_t)sum : otherwise;
}

/* The counts of one lane, said when they changed or when it is the last time. */
static inline void sp_count(sp_worker *w, uint8_t said[56], uint32_t peer, int sender, int urgent, uint32_t epoch,
                            uint64_t first, uint64_t last, uint64_t gaps, uint64_t dropped, uint64_t taken, uint32_t waited, int parting)
{
	uint8_t b[56];
	memset(b, 0, sizeof b);
	sp_put(b, peer, 4);
	b[4] = (uint8_t)sender;
	b[5] = (uint8_t)urgent;
	sp_put(b + 8, epoch, 4);
	sp_put(b + 12, waited, 4);
	sp_put(b + 16, first, 8);
	sp_put(b + 24, last, 8);
	sp_put(b + 32, gaps, 8);
	sp_put(b + 40, dropped, 8);
	sp_put(b + 48, taken, 8);
	if (parting || memcmp(b, said, 56) != 0) {
		memcpy(said, b, 56);
		sp_say(w, SP_MSG_COUNT, b, sizeof b);
	}
}

static inline void sp_count_all(sp_worker *w, int parting)
{
	for (unsigned i = 0; i < w->start.send; i++) {
		sp_sender *s = &w->out[i];
		if (s->out->urgent >= 0)
			sp_count(w, s->said[1], s->out->to, 1, 1, w->channel.epoch, s->alert_seq > 0, s->alert_seq, 0, s->lost, s->alert_sent, 0, parting);
		if (s->out->routine >= 0)
			sp_count(w, s->said[0], s->out->to, 1, 0, w->channel.epoch, s->seq > 0, s->seq, 0, s->dropped, s->sent, s->waited, parting);
	}
	for (unsigned i = 0; i < w->lanes; i++) {
		sp_lane *l = &w->lane[i];
		for (unsigned k = 0; k < l->epochs; k++) {
			sp_epoch *e = &l->epoch[k];
			uint64_t gaps = e->closed;
			for (unsigned j = 1; j < e->spans; j++)
				gaps += e->span[j].low - e->span[j - 1].high - 1;
			if (l->shared)
				gaps = 0; /* others took them, or nobody: it cannot be told from here */
			sp_count(w, e->said, l->from, 0, l->urgent, e->number, e->spans ? e->span[0].low : 0,
			         e->spans ? e->span[e->spans - 1].high : 0, gaps, e->used == l->turns ? l->dropped : 0, e->taken, 0, parting);
		}
		if (!l->epochs && l->dropped)
			sp_count(w, l->said, l->from, 0, l->urgent, 0, 0, 0, 0, l->dropped, 0, 0, parting);
	}
}

/* Alerts again, ALIVE, and the counts that changed. */
static inline void sp_beat(sp_worker *w)
{
	int64_t now = sp_clock(CLOCK_MONOTONIC);
	if (!w->open || now < w->tick_at)
		return;
	w->tick_at = now + SP_SECOND / 10;
	for (unsigned i = 0; i < w->start.send; i++)
		sp_resend(&w->out[i], w->channel.epoch, sp_clock(CLOCK_BOOTTIME));
	if (now >= w->count_at) {
		w->count_at = now + SP_SECOND / 2;
		sp_count_all(w, 0);
	}
	if (now >= w->alive_at) {
		w->alive_at = now + 2 * SP_SECOND;
		sp_say(w, SP_MSG_ALIVE, NULL, 0);
	}
}

/* Answers the supervisor for so long, or until the own bell rings: 1; 0 when the worker is to stop. */
static inline int sp_wait(sp_worker *w, int64_t milliseconds, int until_rung)
{
	int64_t until = sp_clock(CLOCK_MONOTONIC) + milliseconds * (SP_SECOND / 1000);
	while (!sp_stopping(w)) {
		int64_t left = (until - sp_clock(CLOCK_MONOTONIC) + SP_SECOND / 1000 - 1) / (SP_SECOND / 1000), pause = 500;
		struct pollfd p[2];
		char rings[256];
		sp_beat(w);
		for (unsigned i = 0; i < w->start.send; i++)
			if (w->out[i].waiting)
				pause = 100;
		memset(p, 0, sizeof p);
		p[0].fd = w->channel.fd;
		p[1].fd = until_rung ? w->bell : -1;
		p[0].events = p[1].events = POLLIN;
		if (poll(p, 2, (int)(left < 0 ? 0 : left < pause ? left : pause)) > 0) {
			if (p[0].revents)
				sp_step(w, 0);
			if (p[1].revents) {
				while (read(w->bell, rings, sizeof rings) == (ssize_t)sizeof rings)
					;
				break;
			}
		}
		if (left <= 0)
			break;
	}
	return !sp_stopping(w);
}

/* Returns 1 now and then each so many milliseconds; 0 when the worker is to stop. */
static inline int sp_every(sp_worker *w, int64_t milliseconds)
{
	int64_t now;
	sp_ready(w);
	now = sp_clock(CLOCK_MONOTONIC);
	if (w->next == 0) {
		w->next = now;
		return !sp_stopping(w);
	}
	w->next += milliseconds * (SP_SECOND / 1000);
	if (w->next < now)
		w->next = now;
	return sp_wait(w, (w->next - now) / (SP_SECOND / 1000), 0);
}

static inline const sp_sensor *sp_sensor_of(sp_worker *w, const char *name)
{
	for (unsigned i = 0; i < w->start.sensors; i++)
		if (w->start.sensor[i].worker == w->start.worker && strcmp(w->start.sensor[i].name, name) == 0)
			return &w->start.sensor[i];
	return NULL;
}

/* The number in text (which it changes) by START's decode: raw, milli, micro, field:N, key:NAME, psi:LINE.KEY. 0 or -1. */
static inline int sp_decode(char *text, const char *how, double *value)
{
	char *word = text, *end, *dot;
	double scale = 1;
	size_t n;
	if (strncmp(how, "field:", 6) == 0) {
		text[strcspn(text, "\n")] = 0;
		word += strspn(word, " \t");
		for (int i = atoi(how + 6); i > 0; i--) {
			word += strcspn(word, " \t");
			word += strspn(word, " \t");
		}
	} else if (strncmp(how, "key:", 4) == 0) {
		n = strlen(how + 4);
		while (word && (strncmp(word, how + 4, n) != 0 || !word[n] || !strchr(": \t", word[n])))
			word = (word = strchr(word, '\n')) ? word + 1 : NULL;
		if (!word)
			return -1;
		word += n;
		word += *word == ':';
	} else if (strncmp(how, "psi:", 4) == 0 && (dot = (char *)strchr(how, '.')) != NULL) {
		char key[32];
		n = (size_t)(dot - how - 4);
		while (word && (strncmp(word, how + 4, n) != 0 || word[n] != ' '))
			word = (word = strchr(word, '\n')) ? word + 1 : NULL;
		snprintf(key, sizeof key, " %.20s=", dot + 1);
		if (!word)
			return -1;
		word[strcspn(word, "\n")] = 0;
		word = strstr(word, key);
		if (!word)
			return -1;
		word += strlen(key);
	} else if (strcmp(how, "milli") == 0) {
		scale = 1e3;
	} else if (strcmp(how, "micro") == 0) {
		scale = 1e6;
	} else if (*how && strcmp(how, "raw") != 0) {
		return -1;
	}
	word += strspn(word, " \t\n");
	n = strcspn(word, " \t\n");
	if (n == 0 || strspn(word, scale > 1 ? "+-0123456789" : "+-.0123456789eE") < n)
		return -1;
	word[n] = 0;
	*value = strtod(word, &end) / scale;
	return *end == 0 && *value - *value == 0 ? 0 : -1;
}

/* Says once that a grant stopped working; -1 when that was said before. */
static inline int sp_lost(sp_worker *w, const char *grant)
{
	unsigned i, room = SP_MAX_SENSORS;
	for (i = SP_MAX_SENSORS; i-- > 0;) {
		if (strcmp(w->lost[i], grant) == 0)
			return -1;
		if (!w->lost[i][0])
			room = i;
	}
	if (room == SP_MAX_SENSORS || strlen(grant) > 47)
		return -1;
	strcpy(w->lost[room], grant);
	return sp_say(w, SP_MSG_LOST, grant, strlen(grant));
}

/* The bytes of an attribute as it is now (pread at 0), or -1. A device that went away (ENODEV) is reported once. */
static inline ssize_t sp_read(sp_worker *w, const char *grant, void *to, size_t size)
{
	int fd = sp_fd(w, grant);
	ssize_t n;
	if (fd < 0) {
		errno = ENOENT;
		return -1;
	}
	while ((n = pread(fd, to, size, 0)) < 0 && errno == EINTR)
		;
	if (n < 0 && (errno == ENODEV || errno == EIO)) {
		sp_lost(w, grant);
		errno = ENODEV;
	}
	return n;
}

/* The value of one of this worker's sensors now: 0, or -1. */
static inline int sp_value(sp_worker *w, const char *sensor, double *value)
{
	char text[4097];
	const sp_sensor *s = sp_sensor_of(w, sensor);
	ssize_t n = s ? sp_read(w, s->grant, text, sizeof text - 1) : -1;
	if (n <= 0)
		return -1;
	text[n] = 0;
	return sp_decode(text, s->decode, value);
}

/* As sp_send_reading. Where the lane's rule is to wait for room, the supervisor is answered meanwhile. */
static inline int sp_wait_reading(sp_worker *w, sp_sender *s, sp_frame *f)
{
	int wait = strcmp(s->out->full, "block") == 0, error = sp_send_reading(s, f, wait);
	s->waited += error == EAGAIN;
	for (int pause = 1; error == EAGAIN; pause = pause < 16 ? 2 * pause : 16) {
		sp_wait(w, pause, 0);
		error = sp_send_reading(s, f, !sp_stopping(w));
	}
	return error;
}

static inline int sp_send_all(sp_worker *w, int kind, const char *sensor, double value, const char *text)
{
	const sp_sensor *s = sp_sensor_of(w, sensor);
	int result = 0, heard = 0;
	sp_frame f;
	if (!s || strlen(s->unit) > 8 || value - value != 0) {
		errno = s ? ERANGE : ENOENT;
		return -1;
	}
	sp_ready(w);
	memset(&f, 0, sizeof f);
	f.kind = (uint8_t)kind;
	f.worker = w->start.worker;
	f.sensor = s->id;
	f.epoch = w->channel.epoch;
	f.boottime = sp_clock(CLOCK_BOOTTIME);
	f.wall = sp_clock(CLOCK_REALTIME);
	f.value = value;
	memcpy(f.unit, s->unit, strlen(s->unit));
	if (sp_cut_text(f.text, text))
		f.flags = SP_CUT;
	for (unsigned i = 0; i < w->start.send; i++) {
		sp_sender *to = &w->out[i];
		for (unsigned k = 0; k < to->out->bands; k++) {
			int error = 0;
			if (strcmp(to->out->band[k].name, kind == SP_ALERT ? "alert" : "reading") != 0)
				continue;
			heard = 1;
			f.band = to->out->band[k].type;
			if (kind == SP_READING && to->out->routine >= 0)
				error = sp_wait_reading(w, to, &f);
			if (kind == SP_ALERT && (to->out->to ? to->out->urgent : to->out->routine) >= 0)
				error = sp_send_alert(to, &f);
			if (to->out->routine < 0 && to->out->urgent < 0)
				sp_ring(to); /* the bell of one who shares a queue */
			if (error) {
				errno = error;
				result = -1;
			}
		}
	}
	if (!heard) {
		errno = ENOTCONN; /* the worker has no queue block with send = [...] */
		result = -1;
	}
	return result;
}

/* To everyone who subscribed: 0; a full lane drops it and counts, or makes it wait, as configured. -1 and errno: EACCES or EIDRM for a closed
 * lane, ENOENT for a sensor that is not this worker's, ERANGE for a value that is not finite. */
static inline int sp_reading(sp_worker *w, const char *sensor, double value)
{
	return sp_send_all(w, SP_READING, sensor, value, "");
}

/* As sp_reading, ahead of all readings, and sent again until each receiver has confirmed it. */
static inline int sp_alert(sp_worker *w, const char *sensor, double value, const char *text)
{
	return sp_send_all(w, SP_ALERT, sensor, value, text);
}

/* SEEN for the alerts that were taken a second ago: how many older readings each overtook. */
static inline void sp_report(sp_worker *w, int64_t now)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < w->windows; i++) {
		uint8_t b[32];
		if (w->window[i].ends > now) {
			w->window[kept++] = w->window[i];
			continue;
		}
		memset(b, 0, sizeof b);
		sp_put(b, w->window[i].seq, 8);
		sp_put(b + 8, w->window[i].from, 4);
		sp_put(b + 12, w->window[i].sensor, 4);
		sp_put(b + 16, w->window[i].overtook, 4);
		sp_put(b + 20, w->window[i].latency, 4);
		sp_say(w, SP_MSG_SEEN, b, sizeof b);
	}
	w->windows = kept;
}

static inline void sp_watch(sp_worker *w, const sp_lane *l, const sp_frame *f)
{
	int64_t now = sp_clock(CLOCK_BOOTTIME), age = now - f->boottime;
	if (!l->urgent) {
		for (unsigned i = 0; i < w->windows; i++)
			w->window[i].overtook += f->boottime < w->window[i].boottime;
		return;
	}
	if (w->windows == SP_WINDOWS)
		return;
	w->window[w->windows].seq = f->seq;
	w->window[w->windows].from = l->from;
	w->window[w->windows].sensor = f->sensor;
	w->window[w->windows].overtook = 0;
	w->window[w->windows].latency = (uint32_t)(age < 0 ? 0 : age / 1000 > (int64_t)UINT32_MAX ? (int64_t)UINT32_MAX : age / 1000);
	w->window[w->windows].boottime = f->boottime;
	w->window[w->windows++].ends = now + SP_SECOND;
}

/* The frame in hand was acted on: only now is an alert acknowledged. */
static inline void sp_acted(sp_worker *w)
{
	sp_epoch *e;
	if (!w->hand)
		return;
	e = sp_epoch_of(w->hand, w->hand->from == SP_ANYONE ? 0 : w->held.epoch);
	e->taken++;
	if (w->hand->from != SP_ANYONE)
		sp_add(e, w->held.seq);
	if (w->hand->urgent)
		sp_acknowledge(w->hand, &w->held, w->start.worker);
	w->hand = NULL;
}

/* What another worker sent, alerts first and senders in turn: 1, or 0 when nothing is there. Calling it again
 * says that the item before was acted on. */
static inline int sp_take(sp_worker *w, sp_item *item)
{
	unsigned gone = 0;
	sp_ready(w);
	sp_acted(w);
	sp_report(w, sp_clock(CLOCK_BOOTTIME));
	w->turn++;
	for (int urgent = 1; urgent >= 0; urgent--) {
		for (unsigned i = 0; i < w->lanes; i++) {
			sp_lane *l = &w->lane[(i + w->turn) % w->lanes], *from = NULL;
			if (l->urgent == urgent && !l->gone)
				from = sp_take_lane(w->lane, w->lanes, l, &w->held, w->start.worker);
			if (!from) {
				gone += l->urgent == urgent && l->gone;
				continue;
			}
			w->hand = from;
			if (from->from != SP_ANYONE) /* whose clock and sensors are its own */
				sp_watch(w, from, &w->held);
			item->frame = w->held;
			item->worker = w->held.worker;
			item->sensor_id = w->held.sensor;
			item->alert = l->urgent;
			item->sensor = "";
			for (unsigned k = 0; k < w->start.sensors; k++)
				if (w->start.sensor[k].id == w->held.sensor)
					item->sensor = w->start.sensor[k].name;
			return 1;
		}
	}
	if (w->lanes && gone == w->lanes)
		w->stopping = 1;
	return 0;
}

/* sp_take that waits: 1, or 0 when the worker is to stop and its lanes are empty. */
static inline int sp_next(sp_worker *w, sp_item *item)
{
	for (;;) {
		if (sp_take(w, item))
			return 1;
		if (sp_stopping(w))
			return 0;
		sp_beat(w);
		sp_wait(w, 1000, 1);
	}
}

/* The last words; returns what main is to return. A worker that was not told to stop has finished by itself
 * (DONE) and is not started again. */
static inline int sp_end(sp_worker *w)
{
	int64_t until = sp_clock(CLOCK_MONOTONIC) + SP_SECOND / 10;
	if (w->failed)
		return 1;
	sp_acted(w);
	sp_report(w, INT64_MAX);
	if (w->open) {
		for (unsigned i = 0; i < w->start.send; i++)
			sp_resend(&w->out[i], w->channel.epoch, sp_clock(CLOCK_BOOTTIME));
		sp_count_all(w, 1);
	}
	if (!sp_stopping(w))
		sp_say(w, SP_MSG_DONE, NULL, 0);
	/* Leaving with records unread would hide the last words from the supervisor: it may take note first. */
	while (w->channel.acked < w->said && sp_clock(CLOCK_MONOTONIC) < until)
		sp_step(w, 10);
	sp_close(&w->channel);
	return 0;
}

#endif /* SALLYPORT_H */
