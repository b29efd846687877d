/* Judges the vectors on standard input; a line "NAME VERDICT [BYTES]" for each
 * that a worker judges or makes. */
#include "sallyport.h"

static char line[1 << 17];
static uint8_t data[1 << 16], made[1 << 17];
static sp_channel channel;
static sp_start start;

static size_t from_hex(const char *digits)
{
	size_t n = 0;
	unsigned byte;
	if (*digits == '-')
		return 0;
	for (; sscanf(digits, "%2x", &byte) == 1; digits += 2)
		data[n++] = (uint8_t)byte;
	return n;
}

static size_t remake(const sp_record *r)
{
	size_t n = SP_FRAME;
	sp_slot s;
	sp_put_frame(made, r);
	for (unsigned i = 0; i < r->slots; i++, n += SP_SLOT) {
		sp_get_slot(r->slot + i * SP_SLOT, &s);
		sp_put_slot(made + n, &s);
	}
	memcpy(made + n, r->payload, r->length);
	return n + r->length;
}

static const char *down(const char *state, size_t n, size_t *m)
{
	sp_record r;
	unsigned long epoch, next;
	const char *word;
	sscanf(state, "%lu/%lu", &epoch, &next);
	memset(&channel, 0, sizeof channel);
	channel.epoch = (uint32_t)epoch;
	channel.taken = next - 1;
	channel.sent = 9;
	if ((word = sp_judge(&channel, data, n, &r)) == NULL)
		*m = remake(&r);
	return word;
}

static size_t receipt(const char *state, const char *tail)
{
	sp_verdict v[SP_MAX_SLOTS];
	unsigned long epoch, seq;
	unsigned n = 0;
	int status, number, used;
	sscanf(state, "%lu/%lu", &epoch, &seq);
	for (; sscanf(tail, " %d:%d%n", &status, &number, &used) == 2; tail += used) {
		v[n].status = (uint16_t)status;
		v[n++].number = number;
	}
	return sp_put_receipt(made, (uint32_t)epoch, seq, v, n);
}

static size_t at;

static void text(const char *s)
{
	made[at++] = '"';
	for (; *s; s++) {
		if ((uint8_t)*s < 0x20 || *s == '"' || *s == '\\')
			at += (size_t)sprintf((char *)made + at, "\\u%04x", *s);
		else
			made[at++] = (uint8_t)*s;
	}
	made[at++] = '"';
}

static void key(const char *before, const char *name)
{
	at += (size_t)sprintf((char *)made + at, "%s\"%s\":", before, name);
}

static void named(const char *before, const char *name, const char *value)
{
	key(before, name);
	text(value);
}

static void number(const char *before, const char *name, long long value)
{
	key(before, name);
	at += (size_t)sprintf((char *)made + at, "%lld", value);
}

/* What was read of START, as JSON again. */
static size_t json(void)
{
	at = 0;
	number("{", "v", start.v);
	key(",", "worker");
	number("{", "id", start.worker);
	named(",", "name", start.name);
	key("},", "settings");
	for (unsigned i = 0; i < start.settings; i++) {
		at += (size_t)sprintf((char *)made + at, i ? "," : "{");
		text(start.setting[i].key);
		made[at++] = ':';
		text(start.setting[i].value);
	}
	key(start.settings ? "}," : "{},", "sensors");
	for (unsigned i = 0; i < start.sensors; i++) {
		number(i ? ",{" : "[{", "id", start.sensor[i].id);
		named(",", "name", start.sensor[i].name);
		number(",", "worker", start.sensor[i].worker);
		named(",", "unit", start.sensor[i].unit);
		named(",", "grant", start.sensor[i].grant);
		named(",", "decode", start.sensor[i].decode);
		made[at++] = '}';
	}
	key(start.sensors ? "]," : "[],", "send");
	for (unsigned i = 0; i < start.send; i++) {
		named(i ? ",{" : "[{", "queue", start.out[i].queue);
		number(",", "to", start.out[i].to);
		number(",", "urgent", start.out[i].urgent);
		number(",", "routine", start.out[i].routine);
		number(",", "ack", start.out[i].ack);
		named(",", "bell", start.out[i].bell);
		key(",", "bands");
		for (unsigned k = 0; k < start.out[i].bands; k++)
			number(k ? "," : "{", start.out[i].band[k].name, start.out[i].band[k].type);
		named(start.out[i].bands ? "}," : "{},", "full", start.out[i].full);
		made[at++] = '}';
	}
	key(start.send ? "]," : "[],", "receive");
	for (unsigned i = 0; i < start.receive; i++) {
		named(i ? ",{" : "[{", "queue", start.in[i].queue);
		number(",", "from", start.in[i].from);
		number(",", "urgent", start.in[i].urgent);
		number(",", "routine", start.in[i].routine);
		number(",", "ack", start.in[i].ack);
		made[at++] = '}';
	}
	named(start.receive ? "]," : "[],", "bell", start.bell);
	made[at++] = '}';
	return at;
}

int main(void)
{
	while (fgets(line, sizeof line, stdin)) {
		char *form = strtok(line, " \n"), *name = strtok(NULL, " \n"), *verdict = strtok(NULL, " \n");
		char *state = strtok(NULL, " \n"), *digits = strtok(NULL, " \n"), *tail = strtok(NULL, "\n");
		const char *word = NULL;
		size_t n, m = 0;
		sp_record r;
		sp_frame f;
		if (!digits || *form == '#')
			continue;
		n = from_hex(digits);
		if (strcmp(form, "down") == 0) {
			word = down(state, n, &m);
		} else if (strcmp(form, "up") == 0 && strcmp(verdict, "ok") == 0) {
			if ((word = sp_get_record(data, n, &r)) == NULL)
				m = remake(&r);
		} else if (strcmp(form, "receipt") == 0 && strcmp(verdict, "ok") == 0) {
			m = receipt(state, tail);
		} else if (strcmp(form, "frame") == 0) {
			if ((word = sp_get_frame(data, n, &f)) == NULL)
				word = sp_put_bus_frame(&f, made, &m);
		} else if (strcmp(form, "start") == 0) {
			if ((word = sp_read_start(&start, data, n)) == NULL)
				m = json();
		} else {
			continue;
		}
		printf("%s %s", name, word ? word : "ok ");
		for (size_t i = 0; !word && i < m; i++)
			printf("%02x", made[i]);
		putchar('\n');
	}
	return 0;
}
