/*
 * A program from outside that joins a shared queue by its key. It knows the form
 * of a frame (docs/protocol.md, section 9) and nothing else.
 *
 *   join send KEY BAND KIND VALUE     one frame, of a program that is no worker
 *   join receive KEY                  the next frame, in words
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>

struct frame {
	uint8_t version, kind;
	uint16_t band;
	uint32_t worker, sensor, epoch;
	uint64_t seq;
	int64_t boottime, wall;
	double value;
	char unit[8];
	uint32_t flags, reserved;
};

struct message {
	long type;
	union {
		struct frame frame;
		char text[256];
	} u;
};

int main(int argc, char **argv)
{
	struct message m;
	int id = argc > 2 ? msgget(atoi(argv[2]), 0) : -1;

	memset(&m, 0, sizeof m);
	if (id >= 0 && argc == 6 && !strcmp(argv[1], "send")) {
		m.type = atol(argv[3]);
		m.u.frame.version = 1;
		m.u.frame.kind = (uint8_t)atoi(argv[4]);
		m.u.frame.band = (uint16_t)m.type;
		m.u.frame.worker = UINT32_MAX;
		m.u.frame.sensor = 1;
		m.u.frame.epoch = 1;
		m.u.frame.seq = 1;
		m.u.frame.value = atof(argv[5]);
		if (msgsnd(id, &m, sizeof m.u.frame, IPC_NOWAIT) == 0)
			return 0;
	} else if (id >= 0 && argc == 3 && !strcmp(argv[1], "receive")) {
		if (msgrcv(id, &m, sizeof m.u.text, 0, IPC_NOWAIT) > 0) {
			struct frame *f = &m.u.frame;

			printf("kind %u band %u worker %u sensor %u value %g unit %.8s\n", f->kind, f->band, f->worker, f->sensor, f->value, f->unit);
			return 0;
		}
	}
	perror("join");
	return 1;
}
