package scmrights_test

import (
	"io"
	"os"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// socketKinds are the types of unix(7) sockets.
var socketKinds = []struct {
	name string
	typ  int
}{{"stream", unix.SOCK_STREAM}, {"seqpacket", unix.SOCK_SEQPACKET}, {"dgram", unix.SOCK_DGRAM}}

func forKinds(t *testing.T, test func(t *testing.T, typ int)) {
	for _, k := range socketKinds {
		t.Run(k.name, func(t *testing.T) { test(t, k.typ) })
	}
}

// filePair is a socketpair(2), both ends non-blocking and closed with the test.
func filePair(t testing.TB, typ int) (a, b *os.File) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, b = os.NewFile(uintptr(pair[0]), "a"), os.NewFile(uintptr(pair[1]), "b")
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func open(t testing.TB, c syscall.Conn) *scmrights.Socket {
	t.Helper()
	s, err := scmrights.NewSocket(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func plainPair(t testing.TB, typ int) (a, b *scmrights.Socket) {
	t.Helper()
	fa, fb := filePair(t, typ)
	return open(t, fa), open(t, fb)
}

// number is the descriptor number of f, for calls that the layer does not make.
func number(t testing.TB, c syscall.Conn) int {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := -1
	if err := raw.Control(func(fd uintptr) { n = int(fd) }); err != nil {
		t.Fatal(err)
	}
	return n
}

// memfd is an anonymous file with some content, closed with the test.
func memfd(t testing.TB, content string) *os.File {
	t.Helper()
	n, err := unix.MemfdCreate("plain", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(n), "memfd")
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	return f
}

// checkMemfd reads the content of a received memfd, and closes it.
func checkMemfd(t testing.TB, f *os.File, content string) {
	t.Helper()
	b := make([]byte, len(content)+1)
	n, err := f.ReadAt(b, 0)
	if err != io.EOF || string(b[:n]) != content {
		t.Errorf("the received file has %q, %v; want %q", b[:n], err, content)
	}
	f.Close()
}

func bytesOf(s string) [][]byte { return [][]byte{[]byte(s)} }

// packet has some data and these files.
func packet(data string, files ...*os.File) scmrights.Packet {
	p := scmrights.Packet{Data: bytesOf(data)}
	for _, f := range files {
		p.Files = append(p.Files, f)
	}
	return p
}

func mustSend(t testing.TB, s *scmrights.Socket, p scmrights.Packet) {
	t.Helper()
	want := 0
	for _, b := range p.Data {
		want += len(b)
	}
	if n, err := s.Send(p); err != nil || n != want {
		t.Fatalf("%d of %d bytes sent, %v", n, want, err)
	}
}

// receiveText receives at most size bytes and files descriptors.
func receiveText(s *scmrights.Socket, size, files int) (string, scmrights.Delivery, error) {
	b := make([]byte, size)
	d, err := s.Receive(scmrights.Room{Data: [][]byte{b}, Files: files})
	return string(b[:d.N]), d, err
}

func mustReceive(t testing.TB, s *scmrights.Socket, want string, files int) scmrights.Delivery {
	t.Helper()
	text, d, err := receiveText(s, len(want)+64, files)
	if err != nil || text != want || len(d.Files) != files {
		t.Fatalf("%q with %d files, %v; want %q with %d", text, len(d.Files), err, want, files)
	}
	return d
}

// someRaw is a syscall.RawConn with a number that nobody owns.
type someRaw int

func (r someRaw) Control(f func(uintptr)) error   { f(uintptr(r)); return nil }
func (r someRaw) Read(f func(uintptr) bool) error { return nil }
func (r someRaw) Write(func(uintptr) bool) error  { return nil }

func numbered(n int) syscall.Conn { return scmrights.Raw(someRaw(n)) }

const nobody = 65534

// asNobody calls use on a thread without rights. The thread ends with it.
func asNobody(t testing.TB, use func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		use()
		return
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := sys.LaunchSetUID(nobody)
		if err == nil {
			use()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// unprivileged are attributes of a child without rights, with a user of its own
// whose descriptors in flight nobody else counts to.
func unprivileged() *syscall.SysProcAttr {
	if os.Geteuid() != 0 {
		return nil
	}
	id := uint32(1<<30 + os.Getpid())
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
}

// ioUring is a descriptor that unix sockets do not carry.
func ioUring(t testing.TB) *os.File {
	t.Helper()
	var params [120]byte // struct io_uring_params
	n, err := sys.ScmIoUring(&params)
	testenv.Need(t, "io_uring, Linux 5.1 and kernel.io_uring_disabled=0", err)
	f := os.NewFile(uintptr(n), "io_uring")
	t.Cleanup(func() { f.Close() })
	return f
}
