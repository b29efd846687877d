package sysvctl_test

import (
	"bytes"
	"context"
	"math"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/sysvctl"
)

// oldKernel makes the calling thread see a kernel before 5.1: the direct
// numbers 399 to 402 do not exist. The thread is never unlocked.
func oldKernel(t *testing.T) {
	t.Helper()
	filtered(t, []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call number
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: 399, Jf: 2},
		{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: 402, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: seccompErrno | uint32(syscall.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: seccompAllow},
	})
	if _, _, e := unix.RawSyscall(unix.SYS_MSGGET, 0, 0o600, 0); e != unix.ENOSYS {
		t.Fatalf("the direct number still answers: %v", e)
	}
}

func TestMultiplexerOfOldKernels(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	oldKernel(t)
	const key = 0x5a121
	q, err := sysvctl.Create(key, sysvctl.Options{Mode: 0o640, QBytes: 4000})
	must(t, err)
	_, err = sysvctl.Create(key, sysvctl.Options{})
	want(t, err, sysvctl.ErrExists)
	for _, size := range []int{0, 1, 200, 300, 4000} {
		out := bytes.Repeat([]byte{'x'}, size)
		must(t, q.TrySend(math.MaxInt32, out))
		m, err := q.TryReceive(sysvctl.UpTo(math.MaxInt32), make([]byte, 4000))
		if err != nil || m.Type != math.MaxInt32 || !bytes.Equal(m.Data, out) {
			t.Errorf("%d: type %d, %d bytes, %v", size, m.Type, len(m.Data), err)
		}
	}
	want(t, q.TrySend(1<<31, nil), sysvctl.ErrNotPositive) // above a 32-bit long
	must(t, q.TrySend(5, []byte("five")))
	must(t, q.Permit(70000, 0o624)) // an id that 16 bits cannot hold
	st, err := q.Stat()
	must(t, err)
	if st.Key != key || st.GID != 70000 || st.Mode != 0o624 || st.Messages != 1 || st.Bytes != 4 || st.QBytes != 4000 ||
		st.Sender != os.Getpid() || time.Since(st.Changed) > time.Minute || time.Since(st.Received) > time.Minute {
		t.Errorf("%+v", st)
	}
	if all, err := sysvctl.List(); err != nil || len(all) != 1 || all[0] != st {
		t.Errorf("%+v, %v", all, err)
	}
	if m, err := q.Peek(0, make([]byte, 8)); err != nil || string(m.Data) != "five" {
		t.Errorf("%v, %v", m, err)
	}
	if _, err := q.Drain(context.Background(), func(sysvctl.Message) {}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	r, err := q.Receiver(ctx, sysvctl.Any(), 8)
	must(t, err)
	_, err = r.Receive()
	want(t, err, context.DeadlineExceeded)
	must(t, r.Close())
	if l, err := sysvctl.ReadLimits(); err != nil || l.QBytes == 0 {
		t.Errorf("%+v, %v", l, err)
	}
	must(t, q.Remove())
	want(t, q.Remove(), sysvctl.ErrRemoved)
}
