package scmrights_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

// The tests of facts ask the kernel itself whether what this package is built on
// is so here. They use nothing of the package, fail when the answer is another
// one, and skip only where the kernel lacks what is asked about.

// rawSend is one sendmsg(2) with one SCM_RIGHTS message, none without files.
func rawSend(t testing.TB, c *os.File, data string, files ...*os.File) (int, error) {
	t.Helper()
	var numbers []int
	for _, f := range files {
		numbers = append(numbers, number(t, f))
	}
	var control []byte
	if len(numbers) != 0 {
		control = sys.ScmAppendRights(nil, numbers)
	}
	return sys.ScmSend(number(t, c), []byte(data), control, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
}

func mustRawSend(t testing.TB, c *os.File, data string, files ...*os.File) {
	t.Helper()
	if n, err := rawSend(t, c, data, files...); err != nil || n != len(data) {
		t.Fatalf("%d of %d bytes sent, %v", n, len(data), err)
	}
}

// rawArrival is what one recvmsg(2) brought; its files are closed with the test.
type rawArrival struct {
	text    string
	files   []*os.File
	control int // bytes
	flags   int
	parsed  sys.ScmControl
	raw     []byte
}

const fullControl = 4096

func rawReceive(t testing.TB, c *os.File, room, control, flags int) (rawArrival, error) {
	t.Helper()
	data, buf := make([]byte, room), make([]byte, control)
	n, controlLen, got, err := sys.ScmReceive(number(t, c), data, buf, flags|unix.MSG_DONTWAIT)
	if err != nil {
		return rawArrival{}, err
	}
	parsed, err := sys.ScmParse(buf[:controlLen])
	a := rawArrival{text: string(data[:n]), control: controlLen, flags: got &^ unix.MSG_CMSG_CLOEXEC, parsed: parsed, raw: buf[:controlLen]}
	for _, number := range parsed.Rights {
		f := os.NewFile(uintptr(number), "received")
		t.Cleanup(func() { f.Close() })
		a.files = append(a.files, f)
	}
	if err != nil {
		t.Errorf("control messages: %v", err)
	}
	return a, nil
}

func mustRawReceive(t testing.TB, c *os.File, want string, files int) rawArrival {
	t.Helper()
	a, err := rawReceive(t, c, len(want)+64, fullControl, 0)
	if err != nil || a.text != want || len(a.files) != files || a.flags&(unix.MSG_CTRUNC|unix.MSG_TRUNC) != 0 {
		t.Fatalf("%q with %d files, flags %#x, %v; want %q with %d", a.text, len(a.files), a.flags, err, want, files)
	}
	return a
}

func expectNothing(t testing.TB, c *os.File) {
	t.Helper()
	if a, err := rawReceive(t, c, 64, fullControl, 0); err != unix.EAGAIN {
		t.Errorf("%+v, %v: want EAGAIN", a, err)
	}
}

// sameOpenFile is kcmp(2) of two descriptors of this process.
func sameOpenFile(t testing.TB, a, b *os.File) bool {
	t.Helper()
	same, err := sys.ScmKcmp(os.Getpid(), os.Getpid(), number(t, a), number(t, b))
	if err != nil {
		t.Skipf("needs kcmp, CONFIG_KCMP: %v", err)
	}
	return same
}

// witness is a pipe: when the last copy of its write end is gone, the read end
// has its end of file.
func witness(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// endsWith waits for the end of the witness and returns how long that took and
// what was read before.
func endsWith(t testing.TB, r *os.File, within time.Duration) (string, time.Duration) {
	t.Helper()
	start := time.Now()
	must(t, r.SetReadDeadline(start.Add(within)))
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("after %q: %v: somebody still has the write end", b, err)
	}
	return string(b), time.Since(start)
}

// expectHeld says that somebody still has the write end.
func expectHeld(t testing.TB, r *os.File) {
	t.Helper()
	must(t, r.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	if n, err := r.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes, %v: nobody has the write end", n, err)
	}
	must(t, r.SetReadDeadline(time.Time{}))
}

const rawVariable = "SCMRIGHTS_TEST_RAW"

// startRaw starts a child that does verb with end as its descriptor 3, and
// returns its process and what it prints. The parent's copy of end is closed.
func startRaw(t testing.TB, verb string, end *os.File) (*exec.Cmd, io.Reader) {
	t.Helper()
	must(t, unix.SetNonblock(number(t, end), false))
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"=raw", rawVariable+"="+verb, "GORACE=atexit_sleep_ms=0")
	cmd.ExtraFiles = []*os.File{end}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	end.Close()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, out
}

func line(t testing.TB, out io.Reader) string {
	t.Helper()
	b := make([]byte, 64)
	n, err := out.Read(b)
	must(t, err)
	return strings.TrimSpace(string(b[:n]))
}

// rawChild is the child of startRaw.
func rawChild() error {
	receive := func() (int, error) {
		control := make([]byte, fullControl)
		_, n, _, err := sys.ScmReceive(3, make([]byte, 8), control, 0)
		if err != nil {
			return 0, err
		}
		parsed, err := sys.ScmParse(control[:n])
		if err != nil || len(parsed.Rights) == 0 {
			return 0, fmt.Errorf("no descriptor: %w", err)
		}
		return parsed.Rights[len(parsed.Rights)-1], nil
	}
	stay := func() error {
		fmt.Println("ready")
		time.Sleep(time.Hour) // until it is killed
		return nil
	}
	switch os.Getenv(rawVariable) {
	case "send and exit":
		f, err := os.Open("/proc/self/exe")
		if err != nil {
			return err
		}
		_, err = sys.ScmSend(3, []byte("bye"), sys.ScmAppendRights(nil, []int{int(f.Fd())}), 0)
		return err
	case "stay":
		return stay()
	case "hold":
		n, err := receive()
		if err != nil {
			return err
		}
		fmt.Println(n)
		time.Sleep(time.Hour) // until it is killed
		return nil
	case "write and stay":
		n, err := receive()
		if err != nil {
			return err
		}
		if _, err := unix.Write(n, []byte{6}); err != nil {
			return err
		}
		return stay()
	}
	return errors.New("unknown verb")
}

// word reads a native 32-bit number.
func word(b []byte) int32 { return int32(binary.NativeEndian.Uint32(b)) }

// waitLong is for what happens at once or never.
const waitLong = 10 * time.Second

// pokeCollector closes sockets until collected says so.
func pokeCollector(t testing.TB, collected func() bool) {
	t.Helper()
	for start := time.Now(); !collected(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > waitLong {
			t.Fatalf("not collected in %v", waitLong)
		}
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		must(t, unix.Close(pair[0]))
		must(t, unix.Close(pair[1]))
	}
}
