package sys_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/internal/testenv"
	"sallyport/internal/testenv/ipcactor"
)

// The layout of struct msqid64_ds, field by field, against what the kernel prints
// of the same queue in text. Every field has a value of its own, and those that can
// be wide are, so that one taken for another, or half of one, is seen.

// procRow is a row of /proc/sysvipc/msg (ipc/msg.c, sysvipc_msg_proc_show). All of
// the structure is there but msg_qbytes.
func procRow(t *testing.T, id int32) sys.MsgStatus {
	t.Helper()
	text, err := os.ReadFile("/proc/sysvipc/msg")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var s sys.MsgStatus
		var mode string
		n, _ := fmt.Sscan(line, &s.Key, &s.Index, &mode, &s.Cbytes, &s.Qnum, &s.Lspid, &s.Lrpid,
			&s.UID, &s.GID, &s.CUID, &s.CGID, &s.Stime, &s.Rtime, &s.Ctime)
		if n != 14 || s.Index != id {
			continue
		}
		bits, err := strconv.ParseUint(mode, 8, 32)
		if err != nil {
			t.Fatal(err)
		}
		s.Mode = uint32(bits)
		return s
	}
	t.Fatalf("no queue %d in\n%s", id, text)
	return sys.MsgStatus{}
}

// same compares all three ways of asking with the text; qbytes comes from nowhere
// else than the last IPC_SET.
func same(t *testing.T, id int32, qbytes uint64) sys.MsgStatus {
	t.Helper()
	want := procRow(t, id)
	want.Qbytes = qbytes
	for _, cmd := range []int{sys.MsgStatID, sys.MsgStatIdx, sys.MsgStatAny} {
		got, err := sys.MsgStat(id, cmd)
		if err != nil {
			t.Fatalf("command %d: %v", cmd, err)
		}
		if want.Index = id; cmd == sys.MsgStatID {
			want.Index = 0
		}
		if got != want {
			t.Errorf("command %d:\n got %+v\nwant %+v", cmd, got, want)
		}
	}
	return want
}

func TestEveryFieldOfAQueue(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	const key, creator, group, owner, ownerGroup, qbytes = 0x5a5b5c5d, 70001, 70002, 80003, 80004, 0x1345
	maker, taker := ipcactor.Start(t, creator, group), ipcactor.Start(t, 0, 0)
	var id int32
	if _, err := fmt.Sscanf(maker.Do("create %d %d", key, 0o600), "ok %d", &id); err != nil {
		t.Fatal(err)
	}
	if err := sys.MsgSet(id, owner, ownerGroup, 0o642, qbytes); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{100, 77, 300} {
		if err := sys.MsgSend(id, 7, make([]byte, size), sys.MsgNoWait); err != nil {
			t.Fatal(err)
		}
	}
	if got := taker.Do("receive %d 0 400 0", id); got != "ok 7 100" {
		t.Fatal(got)
	}
	got := same(t, id, qbytes)
	want := sys.MsgStatus{
		Key: key, UID: owner, GID: ownerGroup, CUID: creator, CGID: group, Mode: 0o642,
		Stime: got.Stime, Rtime: got.Rtime, Ctime: got.Ctime, Cbytes: 377, Qnum: 2, Qbytes: qbytes,
		Lspid: int32(os.Getpid()), Lrpid: int32(taker.PID()), Index: got.Index,
	}
	if got != want || got.Stime == 0 || got.Rtime == 0 || got.Ctime == 0 {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}

	// The bound that was set is the one in force: what is left fits, a byte more does not.
	if err := sys.MsgSend(id, 7, make([]byte, qbytes-377+1), sys.MsgNoWait); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("a byte more than the queue holds: %v", err)
	}
	if err := sys.MsgSend(id, 7, make([]byte, qbytes-377), sys.MsgNoWait); err != nil {
		t.Fatal(err)
	}
	same(t, id, qbytes)

	// Each settable field alone changes itself and nothing else.
	for _, f := range []struct {
		uid, gid, mode uint32
		qbytes         uint64
	}{
		{math.MaxUint32 - 1, ownerGroup, 0o642, qbytes},
		{owner, math.MaxUint32 - 1, 0o642, qbytes},
		{owner, ownerGroup, 0o777, qbytes},
		{owner, ownerGroup, 0, qbytes},
		{owner, ownerGroup, 0o642, 0},
		{owner, ownerGroup, 0o642, 1},
	} {
		if err := sys.MsgSet(id, f.uid, f.gid, f.mode, f.qbytes); err != nil {
			t.Fatalf("%+v: %v", f, err)
		}
		want.UID, want.GID, want.Mode, want.Qbytes = f.uid, f.gid, f.mode, f.qbytes
		got := same(t, id, f.qbytes)
		if got.UID != f.uid || got.GID != f.gid || got.Mode != f.mode || got.Key != key || got.CUID != creator || got.CGID != group {
			t.Errorf("set %+v, got %+v", f, got)
		}
	}
}

// Types and texts of a message stand where the other side looks for them.
func TestEveryTypeOfAMessage(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	id, err := sys.MsgGet(0, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	types := []int64{1, 0x01020304, math.MaxInt32}
	if strconv.IntSize == 64 {
		types = append(types, 0x0102030405060708, math.MaxInt64)
	}
	for _, mtype := range types {
		for _, size := range []int{0, 1, 3, 4, 5, 256, 257, 8192} {
			text := make([]byte, size)
			for i := range text {
				text[i] = byte(i*7 + 1)
			}
			if err := sys.MsgSend(id, mtype, text, sys.MsgNoWait); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 8192)
			n, got, err := sys.MsgReceive(id, buf, mtype, sys.MsgNoWait)
			if err != nil || got != mtype || string(buf[:n]) != string(text) {
				t.Errorf("type %#x, %d bytes: got type %#x, %d bytes, %v", mtype, size, got, n, err)
			}
		}
	}
}

// The limits, against the same numbers as text.
func TestEveryFieldOfTheLimits(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	for i := range 3 {
		id, err := sys.MsgGet(int32(100+i), 0o3600)
		if err != nil {
			t.Fatal(err)
		}
		if err := sys.MsgSend(id, 1, make([]byte, 10+i), sys.MsgNoWait); err != nil {
			t.Fatal(err)
		}
	}
	limit := func(name string) int32 {
		text, err := os.ReadFile("/proc/sys/kernel/" + name)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		return int32(n)
	}
	for _, cmd := range []int{sys.MsgInfoIPC, sys.MsgInfoMSG} {
		got, err := sys.MsgLimits(cmd)
		if err != nil {
			t.Fatal(err)
		}
		if got.Max != limit("msgmax") || got.Mnb != limit("msgmnb") || got.Mni != limit("msgmni") || got.Index != 2 {
			t.Errorf("command %d: %+v", cmd, got)
		}
		// MSG_INFO counts in fields whose names mean something else: queues, messages, bytes.
		if cmd == sys.MsgInfoMSG && (got.Pool != 3 || got.Map != 3 || got.Tql != 10+11+12) {
			t.Errorf("in use: %+v", got)
		}
	}
}

// TestTimesBeyond32Bits sets the clock of the machine behind the year 2106, where
// seconds need the upper words, and therefore runs in an emulated one only.
func TestTimesBeyond32Bits(t *testing.T) {
	if os.Getenv("SALLYPORT_MACHINE") == "" {
		t.Skip("needs a machine whose clock may be set: make machine")
	}
	if !testenv.PrivateIPC(t) {
		return
	}
	const step = math.MaxInt32 // what a 32-bit time_t can add at once
	shift := func(seconds int32) {
		if _, err := unix.Adjtimex(offset(seconds)); err != nil {
			t.Fatalf("adjtimex(ADJ_SETOFFSET, %d): %v", seconds, err)
		}
	}
	for range 2 {
		shift(step)
		defer shift(-step)
	}
	id, err := sys.MsgGet(0, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := sys.MsgSend(id, 1, nil, sys.MsgNoWait); err != nil {
		t.Fatal(err)
	}
	if _, _, err := sys.MsgReceive(id, nil, 0, sys.MsgNoWait); err != nil {
		t.Fatal(err)
	}
	limits, err := sys.MsgStat(id, sys.MsgStatID)
	if err != nil {
		t.Fatal(err)
	}
	got := same(t, id, limits.Qbytes)
	if got.Stime <= math.MaxUint32 || got.Rtime <= math.MaxUint32 || got.Ctime <= math.MaxUint32 {
		t.Errorf("times %d, %d, %d: not beyond 32 bits", got.Stime, got.Rtime, got.Ctime)
	}
	t.Logf("stime %d, rtime %d, ctime %d", got.Stime, got.Rtime, got.Ctime)
}

// offset is the request to move the clock; its field has another type on each
// architecture.
func offset(seconds int32) *unix.Timex {
	x := &unix.Timex{Modes: unix.ADJ_SETOFFSET}
	x.Time = unix.NsecToTimeval(int64(seconds) * 1e9)
	return x
}
