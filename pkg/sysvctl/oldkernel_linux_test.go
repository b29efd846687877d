package sysvctl_test

import (
	"encoding/binary"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/internal/testenv"
	"sallyport/internal/testenv/ipcactor"
	"sallyport/pkg/sysvctl"
)

// What a filter returns (linux/seccomp.h).
const (
	seccompErrno = 0x50000
	seccompAllow = 0x7fff0000
)

// filtered makes the calling thread see another kernel. It is never unlocked.
func filtered(t *testing.T, program []unix.SockFilter) {
	t.Helper()
	runtime.LockOSThread()
	must(t, unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	var filter []byte
	for _, i := range program {
		filter = binary.NativeEndian.AppendUint16(filter, i.Code)
		filter = append(filter, i.Jt, i.Jf)
		filter = binary.NativeEndian.AppendUint32(filter, i.K)
	}
	listener, err := sys.SeccompLoad(filter)
	testenv.Need(t, "a seccomp filter", err)
	t.Cleanup(func() { unix.Close(listener) })
}

// Before Linux 4.17 msgctl refuses MSG_STAT_ANY, and a list is made of what the
// caller may read.
func TestListWithoutStatAny(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	low := uint32(24) // of the second argument, in struct seccomp_data
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		low += 4
	}
	filtered(t, []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_MSGCTL, Jf: 4},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: low},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xff},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: sys.MsgStatAny, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: seccompErrno | uint32(syscall.EINVAL)},
		{Code: unix.BPF_RET | unix.BPF_K, K: seccompAllow},
	})
	if _, err := sys.MsgStat(0, sys.MsgStatAny); err != syscall.EINVAL {
		t.Fatal(err)
	}
	a, b := create(t, sysvctl.Options{}), create(t, sysvctl.Options{})
	gap := create(t, sysvctl.Options{})
	c := create(t, sysvctl.Options{})
	must(t, gap.Remove())
	all, err := sysvctl.List()
	must(t, err)
	if len(all) != 3 || all[0].ID != a.ID() || all[1].ID != b.ID() || all[2].ID != c.ID() {
		t.Errorf("%+v", all)
	}
	stranger := ipcactor.Start(t, 40001, 40001) // under the filter as well
	if got := stranger.Do("list"); got != "EACCES" {
		t.Error(got)
	}
}
