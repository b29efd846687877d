package conformance_test

import (
	"fmt"
	"testing"

	"sallyport/internal/sys"
	"sallyport/pkg/sysvctl"
)

// msgque is the kernel's own tools/testing/selftests/ipc/msgque.c, by its steps.
var msgque = []entry{
	{name: "msgque", run: func(t *testing.T) {
		needCopy(t)
		q, err := sysvctl.Create(77, sysvctl.Options{Mode: 0o666})
		must(t, err)
		send(t, q, 1, "one message")
		send(t, q, 26538, "and one of another type")
		before, dump := stat(t, q), dumpOf(t, q)
		taken := drained(t, q)
		equal(t, "dump and content", dump, taken)
		must(t, q.Remove())

		writeSysctl(t, "msg_next_id", fmt.Sprint(q.ID()))
		again, err := sysvctl.Create(77, sysvctl.Options{Mode: before.Mode})
		must(t, err)
		equal(t, "the restored id", again.ID(), q.ID())
		send(t, again, 1, "one message")
		send(t, again, 26538, "and one of another type")
		equal(t, "the restored mode", stat(t, again).Mode, before.Mode)
		equal(t, "the restored content", drained(t, again), dump)
		must(t, again.Remove())
	}},
}

func dumpOf(t *testing.T, q *sysvctl.Queue) (text string) {
	for i := range int64(stat(t, q).Messages) {
		got, mtype, err := copyOf(q, i, 64, nowait)
		must(t, err)
		text += fmt.Sprintf("%d %q\n", mtype, got)
	}
	return text
}

func drained(t *testing.T, q *sysvctl.Queue) (text string) {
	buf := make([]byte, 64)
	for {
		n, mtype, err := sys.MsgReceive(id(q), buf, 0, nowait)
		if err != nil {
			_, err := q.TryReceive(sysvctl.Any(), buf)
			want(t, err, sysvctl.ErrNoMessage)
			return text
		}
		text += fmt.Sprintf("%d %q\n", mtype, buf[:n])
	}
}
