package conformance_test

import (
	"math"
	"os"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/sys"
	"sallyport/pkg/sysvctl"
)

const keyword = "about keyword arguments, which Go does not have"

// sysvIPC is tests/test_message_queues.py of the Python package sysv_ipc,
// without the test_ before each name.
var sysvIPC = []entry{
	{name: "no_flags", run: opensAgain},
	{name: "IPC_CREAT_existing", run: func(t *testing.T) {
		// Create never does this: it would adopt the queue of anybody.
		must(t, makeKey(77, 0o600))
		first, err := sys.MsgGet(77, 0)
		must(t, err)
		again, err := sys.MsgGet(77, create|0o600)
		must(t, err)
		equal(t, "the id", again, first)
	}},
	{name: "IPC_CREAT_new", run: func(t *testing.T) {
		made, err := sys.MsgGet(77, create|0o600)
		must(t, err)
		q, err := sysvctl.Open(77, sysvctl.Wanted{})
		must(t, err)
		equal(t, "the id", id(q), made)
	}},
	{name: "IPC_EXCL", run: func(t *testing.T) {
		must(t, makeKey(77, 0o600))
		_, err := sysvctl.Create(77, sysvctl.Options{})
		want(t, err, sysvctl.ErrExists)
		want(t, err, os.ErrExist)
	}},
	{name: "randomly_generated_key", why: "the package there draws a key and hopes; here an own queue has no key, or one that was chosen"},
	{name: "default_flags", run: opensAgain},
	{name: "kwargs", why: keyword},
	{name: "simple_send_receive", run: func(t *testing.T) { roundTrip(t, "abcdefg", 1) }},
	{name: "message_type_send", run: func(t *testing.T) {
		roundTrip(t, "abcdefg", 2)
		want(t, queue(t, sysvctl.Options{}).TrySend(-1, nil), sysvctl.ErrNotPositive)
	}},
	{name: "message_type_receive_default_order", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		for n := range sysvctl.Type(3) {
			send(t, q, n+1, "type")
		}
		for n := range sysvctl.Type(3) {
			takes(t, q, sysvctl.Any(), n+1, "type")
		}
		equal(t, "messages left", stat(t, q).Messages, 0)
	}},
	// Skipped on Linux there, because it wants the oldest message whose type is
	// low enough. The lowest type comes first; msgop(2) says so, and so does POSIX.
	{name: "message_type_receive_specific_order", run: func(t *testing.T) {
		q := fourToOne(t)
		takes(t, q, sysvctl.UpTo(2), 1, "type1")
		takes(t, q, sysvctl.Exactly(3), 3, "type3")
		takes(t, q, sysvctl.Any(), 4, "type4")
		takes(t, q, sysvctl.Any(), 2, "type2")
		equal(t, "messages left", stat(t, q).Messages, 0)
	}},
	{name: "message_type_receive_specific_order_no_negative_type", run: func(t *testing.T) {
		q := fourToOne(t)
		takes(t, q, sysvctl.Exactly(3), 3, "type3")
		for _, n := range []sysvctl.Type{4, 2, 1} {
			takes(t, q, sysvctl.Any(), n, "type"+string(rune('0'+n)))
		}
	}},
	{name: "send_non_blocking", run: func(t *testing.T) {
		q, n := queue(t, sysvctl.Options{}), 0
		var err error
		for ; err == nil && n <= 1<<20; n++ {
			err = q.TrySend(1, []byte("x"))
		}
		want(t, err, sysvctl.ErrFull)
		equal(t, "messages until full", uint64(n-1), stat(t, q).QBytes)
	}},
	{name: "receive_non_blocking", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		_, err := q.TryReceive(sysvctl.Any(), nil)
		want(t, err, sysvctl.ErrNoMessage)
		send(t, q, 3, "x")
		_, err = q.TryReceive(sysvctl.Exactly(2), make([]byte, 8))
		want(t, err, sysvctl.ErrNoMessage)
	}},
	{name: "ascii_null", run: func(t *testing.T) { roundTrip(t, "abc\x00def", 1) }},
	{name: "utf8", run: func(t *testing.T) { roundTrip(t, "G\u00f6teborg", 1) }},
	{name: "send_kwargs", why: keyword},
	{name: "receive_kwargs", why: keyword},
	{name: "max_message_size_respected", run: func(t *testing.T) {
		// There a limit of the object, here that of the namespace.
		writeSysctl(t, "msgmax", "10")
		q := queue(t, sysvctl.Options{})
		must(t, q.TrySend(1, make([]byte, 10)))
		want(t, q.TrySend(1, make([]byte, 11)), syscall.EINVAL)
	}},
	{name: "remove", run: func(t *testing.T) {
		q, err := sysvctl.Create(77, sysvctl.Options{})
		must(t, err)
		must(t, q.Remove())
		_, err = sysvctl.Open(77, sysvctl.Wanted{})
		want(t, err, sysvctl.ErrNotExist)
	}},
	{name: "property_key", run: func(t *testing.T) {
		for _, key := range []sysvctl.Key{math.MinInt32, -1, 1, math.MaxInt32} {
			q, err := sysvctl.Create(key, sysvctl.Options{})
			must(t, err)
			equal(t, "the key", stat(t, q).Key, key)
		}
	}},
	{name: "property_id", run: func(t *testing.T) {
		if q := queue(t, sysvctl.Options{}); q.ID() < 0 {
			t.Error(q.ID())
		}
	}},
	{name: "property_id_weak_for_darwin", why: "about another system than Linux"},
	{name: "attribute_max_size", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		_, err := q.Set(func(a *sysvctl.Attr) { a.QBytes = 2048 })
		must(t, err)
		equal(t, "msg_qbytes", stat(t, q).QBytes, 2048)
	}},
	{name: "property_last_send_time", run: func(t *testing.T) {
		q, began := queue(t, sysvctl.Options{}), time.Now()
		equal(t, "sent before the first", stat(t, q).Sent, time.Time{})
		send(t, q, 1, "x")
		now(t, "sent", stat(t, q).Sent, began)
	}},
	{name: "property_last_receive_time", run: func(t *testing.T) {
		q, began := queue(t, sysvctl.Options{}), time.Now()
		equal(t, "received before the first", stat(t, q).Received, time.Time{})
		send(t, q, 1, "x")
		take(t, q, sysvctl.Any())
		now(t, "received", stat(t, q).Received, began)
	}},
	{name: "property_last_change_time", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		first := stat(t, q).Changed
		time.Sleep(1100 * time.Millisecond) // its resolution is one second
		_, err := q.Set(func(*sysvctl.Attr) {})
		must(t, err)
		if again := stat(t, q).Changed; !again.After(first) {
			t.Errorf("changed at %v, before at %v", again, first)
		}
	}},
	{name: "property_last_send_pid", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		equal(t, "the first sender", stat(t, q).Sender, 0)
		send(t, q, 1, "x")
		equal(t, "the last sender", stat(t, q).Sender, os.Getpid())
	}},
	{name: "property_last_receive_pid", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		equal(t, "the first receiver", stat(t, q).Receiver, 0)
		send(t, q, 1, "x")
		take(t, q, sysvctl.Any())
		equal(t, "the last receiver", stat(t, q).Receiver, os.Getpid())
	}},
	{name: "property_current_messages", run: func(t *testing.T) {
		q := queue(t, sysvctl.Options{})
		for range 3 {
			send(t, q, 1, "x")
		}
		for n := uint64(3); n > 0; n-- {
			equal(t, "messages", stat(t, q).Messages, n)
			take(t, q, sysvctl.Any())
		}
		equal(t, "messages", stat(t, q).Messages, 0)
	}},
	{name: "attribute_uid", run: func(t *testing.T) {
		owns(t, func(st sysvctl.Stat) (uint32, int) { return st.UID, os.Geteuid() })
	}},
	{name: "attribute_gid", run: func(t *testing.T) {
		owns(t, func(st sysvctl.Stat) (uint32, int) { return st.GID, os.Getegid() })
	}},
	{name: "attribute_cuid", run: func(t *testing.T) {
		owns(t, func(st sysvctl.Stat) (uint32, int) { return st.CUID, os.Geteuid() })
	}},
	{name: "attribute_cgid", run: func(t *testing.T) {
		owns(t, func(st sysvctl.Stat) (uint32, int) { return st.CGID, os.Getegid() })
	}},
}

func opensAgain(t *testing.T) {
	must(t, makeKey(77, 0o600))
	made, err := sys.MsgGet(77, 0)
	must(t, err)
	q, err := sysvctl.Open(77, sysvctl.Wanted{})
	must(t, err)
	equal(t, "the id", id(q), made)
}

func roundTrip(t *testing.T, text string, mtype sysvctl.Type) {
	q := queue(t, sysvctl.Options{})
	send(t, q, mtype, text)
	takes(t, q, sysvctl.Any(), mtype, text)
}

func fourToOne(t *testing.T) *sysvctl.Queue {
	q := queue(t, sysvctl.Options{})
	for n := sysvctl.Type(4); n > 0; n-- {
		send(t, q, n, "type"+string(rune('0'+n)))
	}
	return q
}

// owns compares an id of a fresh queue with ours, after another egid so that it
// is not 0 by chance.
func owns(t *testing.T, of func(sysvctl.Stat) (uint32, int)) {
	must(t, syscall.Setegid(40001))
	must(t, syscall.Seteuid(40002))
	q := queue(t, sysvctl.Options{})
	got, wanted := of(stat(t, q))
	equal(t, "the id", int(got), wanted)
	if wanted == 0 {
		t.Error("still root")
	}
}
