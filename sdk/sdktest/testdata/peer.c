/* The peer under test in C: checks what it is granted, and does as the messages
 * of the test say. */
#include "sallyport.h"
#include <dirent.h>

enum { REPORT = 100, KEEP, FILL, DRAIN, PONGS };

static sp_channel c;
static unsigned verified, wrong;
static int keep, fillers[64], filled;

static int want(const sp_slot *s) { return strncmp(s->name, "unwanted", 8) != 0; }

static void check(const sp_grant *g)
{
	char expected[80], got[256];
	ssize_t n = 0;
	snprintf(expected, sizeof expected, "content of %s\n", g->name);
	if (g->kind == SP_ATTRIBUTE || g->kind == SP_FILE || g->kind == SP_MEMFD)
		n = pread(g->fd, got, sizeof got, 0);
	else
		n = (ssize_t)strlen(strcpy(got, expected));
	if (n == (ssize_t)strlen(expected) && memcmp(got, expected, (size_t)n) == 0 && fcntl(g->fd, F_GETFD) == FD_CLOEXEC)
		verified++;
	else
		wrong++;
}

static unsigned held(sp_grant **list)
{
	unsigned n = 0;
	for (unsigned i = 0; i < SP_MAX_GRANTS; i++)
		if (c.grant[i].state == SP_HELD)
			list[n++] = &c.grant[i];
	return n;
}

static int count_open(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = -3; /* ".", ".." and the directory's own */
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static void obey(const sp_event *e)
{
	static sp_grant *list[SP_MAX_GRANTS];
	struct rlimit few = {64, 64};
	char text[128];
	switch (e->kind) {
	case REPORT:
		snprintf(text, sizeof text, "verified %u wrong %u held %u open %d", verified, wrong, held(list), count_open());
		sp_send(&c, REPORT, text, strlen(text));
		break;
	case KEEP:
		keep = e->body[0];
		if (!keep)
			sp_release(&c, list, held(list));
		break;
	case FILL:
		setrlimit(RLIMIT_NOFILE, &few);
		while (filled < 64 && (fillers[filled] = dup(0)) >= 0)
			filled++;
		for (int i = 0; i < e->body[0]; i++)
			close(fillers[--filled]);
		sp_send(&c, FILL, NULL, 0);
		break;
	case DRAIN:
		while (filled > 0)
			close(fillers[--filled]);
		sp_send(&c, DRAIN, NULL, 0);
		sp_credit(&c, sp_room(&c));
		break;
	case PONGS:
		sp_ping(&c);
		break;
	}
}

int main(void)
{
	const char *limit = getenv("PEER_LIMIT");
	sp_event e;
	if (sp_attach(&c, -1, limit ? (uint32_t)atoi(limit) : 0) == 0) {
		c.want = want;
		while (sp_receive(&c, &e, -1) > 0) {
			unsigned n = 0;
			if (e.type == SP_MESSAGED)
				obey(&e);
			for (unsigned i = 0; i < e.grants; i++) {
				if (e.type == SP_GRANTED)
					check(e.grant[i]);
				if (e.grant[i]->state == SP_HELD && (e.type == SP_REVOKED || !keep))
					e.grant[n++] = e.grant[i];
			}
			if (n > 0)
				sp_release(&c, e.grant, n);
		}
	}
	if (strcmp(c.word, "closed") != 0) {
		fprintf(stderr, "fault %s\n", c.word);
		return 3;
	}
	sp_close(&c);
	return 0;
}
