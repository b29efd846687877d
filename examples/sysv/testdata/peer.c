/* The other side of the examples, written against the C library alone: key
 * 1234, type 1, texts of 256 bytes.
 *
 *   peer serve   makes the queue, prints one text of type 1, removes the queue
 *   peer send    sends a text of type 1
 *   peer ask     sends "PID <own pid> question", waits for a message of that type
 *   peer answer  makes the queue, answers one "PID <n> ..." with type n, removes it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <unistd.h>

enum { KEY = 1234, SIZE = 256 };

static struct {
	long type;
	char text[SIZE];
} m;

static void check(long result, const char *what)
{
	if (result == -1) {
		perror(what);
		exit(1);
	}
}

static void put(int id, long type)
{
	m.type = type;
	check(msgsnd(id, &m, strlen(m.text) + 1, 0), "msgsnd");
}

static void take(int id, long type)
{
	memset(&m, 0, sizeof m);
	check(msgrcv(id, &m, SIZE, type, 0), "msgrcv");
	printf("%s\n", m.text);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *part = argc == 2 ? argv[1] : "";
	int serves = !strcmp(part, "serve") || !strcmp(part, "answer");
	int id = msgget(KEY, serves ? IPC_CREAT | 0666 : 0666);
	struct msqid_ds state;
	long pid;

	check(id, "msgget");
	if (!strcmp(part, "send")) {
		strcpy(m.text, "Hello from C!");
		put(id, 1);
	} else if (!strcmp(part, "ask")) {
		snprintf(m.text, SIZE, "PID %ld question", (long)getpid());
		put(id, 1);
		take(id, getpid());
	} else if (serves) {
		take(id, 1);
		if (!strcmp(part, "answer") && sscanf(m.text, "PID %ld", &pid) == 1) {
			strcpy(m.text, "answer from C");
			put(id, pid);
			do { /* removing the queue would remove the answer */
				usleep(1000);
				check(msgctl(id, IPC_STAT, &state), "msgctl");
			} while (state.msg_qnum > 0);
		}
		check(msgctl(id, IPC_RMID, NULL), "msgctl");
	} else {
		fprintf(stderr, "peer serve|send|ask|answer\n");
		return 2;
	}
	return 0;
}
