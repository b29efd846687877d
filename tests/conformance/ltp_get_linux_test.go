package conformance_test

import (
	"strconv"
	"syscall"
	"testing"

	"sallyport/internal/sys"
	"sallyport/internal/testenv/ipcactor"
	"sallyport/pkg/sysvctl"
)

// ltpGet is the Linux Test Project's msgget. Where a program there has a table,
// a letter names its row.
var ltpGet = []entry{
	{name: "msgget01", run: func(t *testing.T) {
		q, err := sysvctl.Create(77, sysvctl.Options{})
		must(t, err)
		send(t, q, 1, "some words")
		takes(t, q, sysvctl.Exactly(1), 1, "some words")
	}},
	{name: "msgget02a", run: func(t *testing.T) {
		_, err := sysvctl.Create(77, sysvctl.Options{})
		must(t, err)
		_, err = sysvctl.Create(77, sysvctl.Options{})
		want(t, err, syscall.EEXIST)
	}},
	{name: "msgget02b", run: func(t *testing.T) {
		_, err := sysvctl.Open(77, sysvctl.Wanted{})
		want(t, err, syscall.ENOENT)
	}},
	{name: "msgget02c", run: func(t *testing.T) {
		_, err := sys.MsgGet(77, excl)
		want(t, err, syscall.ENOENT)
	}},
	{name: "msgget02d", run: func(t *testing.T) { refusedGet(t, 0o400) }},
	{name: "msgget02e", run: func(t *testing.T) { refusedGet(t, 0o200) }},
	{name: "msgget02f", run: func(t *testing.T) { refusedGet(t, 0o600) }},
	{name: "msgget03", run: func(t *testing.T) {
		writeSysctl(t, "msgmni", "32")
		for range 32 {
			queue(t, sysvctl.Options{})
		}
		_, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{})
		want(t, err, syscall.ENOSPC)
		want(t, err, sysvctl.ErrLimit)
	}},
	{name: "msgget04", run: func(t *testing.T) {
		writeSysctl(t, "msg_next_id", "12345")
		q, err := sysvctl.Create(77, sysvctl.Options{})
		must(t, err)
		equal(t, "the id", q.ID(), 12345)
		equal(t, "msg_next_id", readSysctl(t, "msg_next_id"), "-1")
	}},
	{name: "msgget05", run: func(t *testing.T) {
		first := queue(t, sysvctl.Options{})
		writeSysctl(t, "msg_next_id", strconv.Itoa(int(first.ID())))
		second := queue(t, sysvctl.Options{})
		if second.ID() == first.ID() {
			t.Errorf("two queues with the id %d", first.ID())
		}
	}},
}

// refusedGet has nobody ask for rights on a queue that gives none.
func refusedGet(t *testing.T, mode int) {
	must(t, makeKey(77, 0))
	if got := ipcactor.Start(t, nobody, nobody).Do("getmode 77 %d", mode); got != "EACCES" {
		t.Errorf("%s, want EACCES", got)
	}
}

// makeKey is msgget as it stands: mode 0 stays 0.
func makeKey(key int32, mode int) error {
	_, err := sys.MsgGet(key, create|excl|mode)
	return err
}
