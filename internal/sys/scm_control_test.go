package sys_test

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

// TestScmRoundTrip sends descriptors through a real socket and parses what the
// kernel wrote beside them, credentials first.
func TestScmRoundTrip(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	if err := unix.SetsockoptInt(pair[1], unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		t.Fatal(err)
	}
	for _, count := range []int{0, 1, 2, 3, sys.ScmMaxRights} {
		rights := slices.Repeat([]int{pair[0]}, count)
		var control []byte
		if count > 0 {
			control = sys.ScmAppendRights(nil, rights)
		}
		if n, err := sys.ScmSend(pair[0], []byte("x"), control, unix.MSG_NOSIGNAL); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		buf, room := make([]byte, 8), make([]byte, sys.ScmControlSpace(sys.ScmMaxRights))
		n, controlLen, flags, err := sys.ScmReceive(pair[1], buf, room, unix.MSG_CMSG_CLOEXEC)
		if err != nil || n != 1 || flags&(unix.MSG_CTRUNC|unix.MSG_TRUNC) != 0 {
			t.Fatal(n, flags, err)
		}
		got, err := sys.ScmParse(room[:controlLen])
		if err != nil || len(got.Rights) != count || got.Unknown != 0 {
			t.Fatalf("%d sent: %+v, %v", count, got, err)
		}
		if got.Creds == nil || int(got.Creds.Pid) != unix.Getpid() || int(got.Creds.Uid) != unix.Getuid() {
			t.Errorf("credentials %+v", got.Creds)
		}
		for _, n := range got.Rights {
			if flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); err != nil || flags != unix.FD_CLOEXEC {
				t.Errorf("descriptor %d: flags %d, %v", n, flags, err)
			}
			unix.Close(n)
		}
	}
	over := sys.ScmAppendRights(nil, slices.Repeat([]int{pair[0]}, sys.ScmMaxRights+1))
	if _, err := sys.ScmSend(pair[0], []byte("x"), over, unix.MSG_NOSIGNAL); err != unix.EINVAL {
		t.Errorf("%d descriptors: %v, want EINVAL", sys.ScmMaxRights+1, err)
	}
}

// TestScmParseKeepsWhatItFound: descriptors before a damaged message are
// returned with the error, for the caller to close.
func TestScmParseKeepsWhatItFound(t *testing.T) {
	good := sys.ScmAppendRights(nil, []int{7, 8})
	denied := sys.ScmAppendRights(nil, []int{7, -13, 8})
	rows := []struct {
		name    string
		control []byte
		rights  []int
		fails   bool
	}{
		{"none", nil, nil, false},
		{"two messages", append(slices.Clone(good), sys.ScmAppendRights(nil, []int{9})...), []int{7, 8, 9}, false},
		{"denied slot", denied, []int{7, 8}, false},
		{"length 0", append(slices.Clone(good), make([]byte, unix.CmsgSpace(0))...), []int{7, 8}, true},
		{"length beyond the buffer", append(slices.Clone(good), good[:unix.CmsgLen(4)]...), []int{7, 8}, true},
		{"left over", append(slices.Clone(good), 1, 2, 3), []int{7, 8}, true},
	}
	for _, row := range rows {
		got, err := sys.ScmParse(row.control)
		if !slices.Equal(got.Rights, row.rights) || errors.Is(err, sys.ErrScmControl) != row.fails {
			t.Errorf("%s: %v, %v", row.name, got.Rights, err)
		}
	}
}

func FuzzScmParse(f *testing.F) {
	f.Add(sys.ScmAppendRights(nil, []int{3, 4, 5}))
	f.Add(append(sys.ScmAppendRights(nil, []int{3}), 1, 0, 0, 0))
	f.Fuzz(func(t *testing.T, control []byte) {
		got, _ := sys.ScmParse(control)
		if 4*len(got.Rights) > len(control) {
			t.Errorf("%d descriptors out of %d bytes", len(got.Rights), len(control))
		}
		for _, n := range got.Rights {
			if n < 0 {
				t.Errorf("descriptor %d", n)
			}
		}
	})
}
