package sysvctl_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/testenv"
	"sallyport/internal/testenv/ipcactor"
	"sallyport/pkg/sysvctl"
)

func TestThrottleAndResume(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{QBytes: 1024})
	must(t, q.TrySend(1, make([]byte, 600)))
	before, err := q.Throttle(512)
	must(t, err)
	if before != 1024 {
		t.Errorf("before %d", before)
	}
	want(t, q.TrySend(1, nil), sysvctl.ErrFull) // more is queued than may be
	if _, err := q.TryReceive(sysvctl.Any(), make([]byte, 600)); err != nil {
		t.Error(err)
	}
	must(t, q.TrySend(1, make([]byte, 512)))
	want(t, q.TrySend(1, []byte{1}), sysvctl.ErrFull)
	if _, err := q.Throttle(4096); err != nil {
		t.Error(err)
	}
	if st, _ := q.Stat(); st.QBytes != 512 {
		t.Errorf("raised to %d", st.QBytes)
	}
	if _, err := q.Throttle(0); err == nil {
		t.Error("throttled to nothing")
	}
	must(t, q.Resume(before))
	must(t, q.TrySend(1, make([]byte, 512)))
	must(t, q.Resume(0))
	l, err := sysvctl.ReadLimits()
	must(t, err)
	if st, _ := q.Stat(); st.QBytes != l.QBytes {
		t.Errorf("resumed to %d, a new queue has %d", st.QBytes, l.QBytes)
	}
}

func TestPeekLeavesTheMessage(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{})
	for i := range 3 {
		must(t, q.TrySend(sysvctl.Type(9-i), bytes.Repeat([]byte{byte(i)}, 100*i)))
	}
	buf := make([]byte, 200)
	for i := range 3 {
		m, err := q.Peek(i, buf)
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip("needs a kernel with CONFIG_CHECKPOINT_RESTORE")
		}
		if err != nil || m.Type != sysvctl.Type(9-i) || len(m.Data) != 100*i {
			t.Errorf("%d: %v, %v", i, m, err)
		}
	}
	for _, past := range []int{3, -1} {
		_, err := q.Peek(past, buf)
		want(t, err, sysvctl.ErrNoMessage)
	}
	_, err := q.Peek(2, buf[:199])
	want(t, err, sysvctl.ErrTooBig)
	if st, _ := q.Stat(); st.Messages != 3 {
		t.Errorf("%d left", st.Messages)
	}
}

func TestSnapshotAndRestore(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	const key = 0x5a119
	for range 3 { // so that the id is no small number
		create(t, sysvctl.Options{})
	}
	q, err := sysvctl.Create(key, sysvctl.Options{Mode: 0o640, QBytes: 12000})
	must(t, err)
	must(t, q.Permit(1234, 0o624))
	for i := range 5 {
		must(t, q.TrySend(sysvctl.Type(i%2+1), bytes.Repeat([]byte{byte(i)}, i*500)))
	}
	_, err = q.Throttle(100) // holds more than it may
	must(t, err)
	s, err := q.Snapshot()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("needs a kernel with CONFIG_CHECKPOINT_RESTORE")
	}
	must(t, err)
	if !s.Steady || len(s.Messages) != 5 || s.Taken.IsZero() {
		t.Errorf("%v, %d messages", s.Steady, len(s.Messages))
	}
	_, err = sysvctl.Restore(s, true)
	want(t, err, sysvctl.ErrExists) // the key is taken
	noWish(t)
	must(t, q.Remove())
	again, err := sysvctl.Restore(s, true)
	must(t, err)
	if again.ID() != q.ID() {
		t.Errorf("id %d, was %d", again.ID(), q.ID())
	}
	later, err := again.Snapshot()
	must(t, err)
	if diff := cmp.Diff(s.Messages, later.Messages); diff != "" {
		t.Error(diff)
	}
	a, b := s.Stat, later.Stat
	if a.Mode != b.Mode || a.GID != b.GID || a.UID != b.UID || a.QBytes != b.QBytes || a.Bytes != b.Bytes || a.Key != b.Key {
		t.Errorf("was %+v\nis  %+v", a, b)
	}
	// Only the id is taken.
	s.Stat.Key = sysvctl.Private
	_, err = sysvctl.Restore(s, true)
	want(t, err, sysvctl.ErrExists)
	copied, err := sysvctl.Restore(s, false)
	must(t, err)
	if copied.ID() == q.ID() {
		t.Error("two queues of one id")
	}
	noWish(t)
	if all, _ := sysvctl.List(); len(all) != 5 {
		t.Errorf("%d queues", len(all))
	}
	s.Stat.QBytes = 1 << 40
	if _, err := sysvctl.Restore(s, false); err != nil && !errors.Is(err, sysvctl.ErrLimit) {
		t.Error(err)
	}
}

// noWish: a restore that failed leaves no id for the next queue of somebody else.
func noWish(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/kernel/msg_next_id")
	must(t, err)
	if strings.TrimSpace(string(text)) != "-1" {
		t.Errorf("msg_next_id is %s", text)
	}
}

func TestRestoreOfTooMuchLeavesNothing(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	s := sysvctl.Snapshot{Stat: sysvctl.Stat{Mode: 0o600, QBytes: 16384}}
	for range 4 {
		s.Messages = append(s.Messages, sysvctl.Message{Type: 1, Data: make([]byte, 8000)})
	}
	if _, err := sysvctl.Restore(s, false); err == nil {
		t.Skip("needs a process without CAP_SYS_RESOURCE")
	} else if !errors.Is(err, sysvctl.ErrLimit) {
		t.Error(err)
	}
	if all, _ := sysvctl.List(); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

func TestUsage(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	if u, err := sysvctl.ReadUsage(); err != nil || u != (sysvctl.Usage{}) {
		t.Errorf("%+v, %v", u, err)
	}
	q := create(t, sysvctl.Options{})
	create(t, sysvctl.Options{})
	must(t, q.TrySend(1, make([]byte, 100)))
	must(t, q.TrySend(1, make([]byte, 23)))
	if u, err := sysvctl.ReadUsage(); err != nil || u != (sysvctl.Usage{Queues: 2, Messages: 2, Bytes: 123}) {
		t.Errorf("%+v, %v", u, err)
	}
}

// A process without any right on a queue sees its state all the same.
func TestListNeedsNoPermission(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{Mode: 0o600})
	actor := ipcactor.Start(t, 40001, 40001)
	if got := actor.Do("stat %d", q.ID()); got != "EACCES" {
		t.Error(got)
	}
	if got := actor.Do("list"); got != "ok 1" {
		t.Error(got)
	}
}

func TestAdopt(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	const key = 0x5a120
	first, err := sysvctl.Create(key, sysvctl.Options{Adopt: true, QBytes: 2048})
	must(t, err)
	second, err := sysvctl.Create(key, sysvctl.Options{Adopt: true, QBytes: 4096})
	must(t, err)
	if st, _ := second.Stat(); second.ID() != first.ID() || st.QBytes != 2048 {
		t.Errorf("%+v", st)
	}
	if first.Key() != key || second.Key() != key {
		t.Error(first.Key(), second.Key())
	}
	stranger := ipcactor.Start(t, 40001, 40001)
	if got := stranger.Do("create %d %d", key+1, 0o666); !strings.HasPrefix(got, "ok") {
		t.Fatal(got)
	}
	_, err = sysvctl.Create(key+1, sysvctl.Options{Adopt: true})
	want(t, err, sysvctl.ErrForeign)
	q, err := sysvctl.Open(key+1, sysvctl.Wanted{Anyone: true})
	must(t, err)
	must(t, q.Remove()) // root may
}

func TestCutTakesTheBeginning(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := create(t, sysvctl.Options{})
	must(t, q.TrySend(1, []byte("0123456789")))
	m, err := q.TryReceive(sysvctl.Exactly(1).Cut(), make([]byte, 4))
	if err != nil || string(m.Data) != "0123" {
		t.Errorf("%q, %v", m.Data, err)
	}
	_, err = q.TryReceive(sysvctl.Any(), nil)
	want(t, err, sysvctl.ErrNoMessage)
}

// Above a lowered msgmax a send says what is wrong, and on a queue that is gone too.
func TestTooBigIsNotRemoved(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	if err := sysvctl.SetLimits(sysvctl.Limits{Size: 100}); err != nil {
		testenv.Need(t, "writable limits of the IPC namespace", err)
	}
	q := create(t, sysvctl.Options{})
	want(t, q.TrySend(1, make([]byte, 101)), sysvctl.ErrTooBig)
	must(t, q.TrySend(1, make([]byte, 100)))
	must(t, q.Remove())
	want(t, q.TrySend(1, make([]byte, 100)), sysvctl.ErrRemoved)
}

// Ftok gives what C programs and perl get.
func TestFtok(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "x")
	must(t, os.WriteFile(name, nil, 0o600))
	key, err := sysvctl.Ftok(name, 42)
	must(t, err)
	_, err = sysvctl.Ftok(name, 0)
	if err == nil {
		t.Error("project 0 was taken")
	}
	_, err = sysvctl.Ftok(name+"y", 1)
	want(t, err, os.ErrNotExist)
	if !strings.Contains(err.Error(), name) {
		t.Error(err)
	}
	perl, err := exec.Command("perl", "-MIPC::SysV=ftok", "-e", "print ftok($ARGV[0], 42)", name).Output()
	testenv.Need(t, "perl with IPC::SysV", err)
	n, err := strconv.ParseInt(string(perl), 10, 64)
	must(t, err)
	if sysvctl.Key(int32(n)) != key {
		t.Errorf("%#x, perl has %#x", key, n)
	}
}

// Enough files of one file system share a key, and which ones is said.
func TestFtokCollisions(t *testing.T) {
	dir := t.TempDir()
	var names []string
	one := filepath.Join(dir, "one")
	must(t, os.WriteFile(one, nil, 0o600))
	must(t, os.Link(one, one+"again"))
	same, err := sysvctl.Collisions(1, one, one+"again")
	if err != nil || len(same) != 0 {
		t.Errorf("two names of one file: %v, %v", same, err)
	}
	err = filepath.WalkDir("/usr/share", func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && len(names) < 5000 {
			names = append(names, path)
		}
		return nil
	})
	must(t, err)
	clashes, err := sysvctl.Collisions(1, names...)
	must(t, err)
	if len(clashes) == 0 {
		t.Skipf("needs files that share a key: none of the %d under /usr/share do", len(names))
	}
	for key, list := range clashes {
		if len(list) < 2 {
			t.Errorf("%#x: %v alone", key, list)
		}
		for _, name := range list {
			if k, err := sysvctl.Ftok(name, 1); err != nil || k != key {
				t.Fatalf("%s has %#x, said to have %#x (%v)", name, k, key, err)
			}
		}
	}
	t.Logf("%d files, %d keys are shared", len(names), len(clashes))
}

// Messages of the owner, who keeps the right to send, come in between the two
// IPC_SETs of a revoke: that is no lack of room.
func TestRevokeBesideTheOwnersSleepers(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{Mode: 0o622, QBytes: 64})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var owners sync.WaitGroup
	for range 4 {
		owners.Go(func() {
			for ctx.Err() == nil {
				_ = q.Send(ctx, 1, make([]byte, 64))
			}
		})
	}
	for range 300 {
		must(t, q.Revoke(sysvctl.Senders))
		// What came in at the kick is taken, or the next one has no room to give.
		st, err := q.Stat()
		must(t, err)
		for range st.Messages {
			_, err := q.TryReceive(sysvctl.Any(), make([]byte, 64))
			must(t, err)
		}
	}
	cancel()
	owners.Wait()
}
