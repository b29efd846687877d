package conformance_test

import (
	"fmt"
	"testing"

	"sallyport/pkg/sysvctl"
)

// msgque is the kernel's own tools/testing/selftests/ipc/msgque.c, by its steps:
// dump a queue, remove it, and make it again with the same id.
var msgque = []entry{
	{name: "msgque", run: func(t *testing.T) {
		needCopy(t)
		q, err := sysvctl.Create(77, sysvctl.Options{Mode: 0o666})
		must(t, err)
		send(t, q, 1, "one message")
		send(t, q, 26538, "and one of another type")
		dump, err := q.Snapshot()
		must(t, err)
		content := texts(dump.Messages)
		equal(t, "the dump", content, "1 \"one message\"\n26538 \"and one of another type\"\n")
		equal(t, "what was left in", drained(t, q), content)
		must(t, q.Remove())

		again, err := sysvctl.Restore(dump, true)
		must(t, err)
		equal(t, "the restored id", again.ID(), q.ID())
		equal(t, "the restored key", stat(t, again).Key, 77)
		equal(t, "the restored mode", stat(t, again).Mode, 0o666)
		equal(t, "the restored size", stat(t, again).QBytes, dump.Stat.QBytes)
		equal(t, "the restored content", drained(t, again), content)
		must(t, again.Remove())
	}},
}

func texts(messages []sysvctl.Message) (text string) {
	for _, m := range messages {
		text += fmt.Sprintf("%d %q\n", m.Type, m.Data)
	}
	return text
}

func drained(t *testing.T, q *sysvctl.Queue) (text string) {
	_, err := q.Drain(t.Context(), func(m sysvctl.Message) { text += texts([]sysvctl.Message{m}) })
	must(t, err)
	return text
}
