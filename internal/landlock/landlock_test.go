package landlock_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/landlock"
	"sallyport/internal/testenv"
)

// TestHandledByVersion: each version has what those before it have, and a newer
// one than is known here no more.
func TestHandledByVersion(t *testing.T) {
	for _, c := range []struct {
		abi  int
		want landlock.Rights
	}{
		{-1, landlock.Rights{}},
		{0, landlock.Rights{}},
		{1, landlock.Rights{FS: 0x1fff}},
		{2, landlock.Rights{FS: 0x3fff}},
		{3, landlock.Rights{FS: 0x7fff}},
		{4, landlock.Rights{FS: 0x7fff, Net: 3}},
		{5, landlock.Rights{FS: 0xffff, Net: 3}},
		{6, landlock.Rights{FS: 0xffff, Net: 3, Scoped: 3}},
		{7, landlock.Rights{FS: 0xffff, Net: 3, Scoped: 3}},
		{99, landlock.Rights{FS: 0xffff, Net: 3, Scoped: 3}},
	} {
		if got := landlock.Handled(c.abi); got != c.want {
			t.Errorf("ABI %d: %+v, want %+v", c.abi, got, c.want)
		}
	}
}

// TestRestrict: what was allowed can be read and executed, nothing else can be
// opened, and there is no TCP; with every version from 1 to the kernel's.
func TestRestrict(t *testing.T) {
	have, err := landlock.ABI()
	testenv.Need(t, "Landlock", err)
	if !testenv.InSubprocess(t, nil) {
		return
	}
	dir := t.TempDir()
	shown := filepath.Join(dir, "shown")
	if err := errors.Join(os.Mkdir(shown, 0o755), os.WriteFile(shown+"/a", []byte("a"), 0o644), os.WriteFile(dir+"/exe", []byte("#!"), 0o755),
		os.WriteFile(dir+"/secret", []byte("s"), 0o644)); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	for abi := 1; abi <= have; abi++ {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // never unlocked: the thread ends restricted
			restricted(t, abi, dir, port)
		}()
		<-done
	}
}

func restricted(t *testing.T, abi int, dir string, port int) {
	exe, err := unix.Open(dir+"/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer unix.Close(exe)
	r, err := landlock.New(abi)
	if err == nil {
		err = errors.Join(r.File(exe), r.Beneath(dir+"/shown"), unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	}
	if err == nil {
		err = r.Restrict()
	}
	if err != nil {
		t.Errorf("ABI %d: %v", abi, err)
		return
	}
	open := func(path string, flags int) error {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o600)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
	for _, c := range []struct {
		path  string
		flags int
		want  error
	}{
		{"/shown", unix.O_RDONLY | unix.O_DIRECTORY, nil},
		{"/shown/a", unix.O_RDONLY, nil},
		{"/shown/a", unix.O_WRONLY, unix.EACCES},
		{"/shown/b", unix.O_CREAT | unix.O_WRONLY, unix.EACCES},
		{"/exe", unix.O_RDONLY, nil},
		{"/secret", unix.O_RDONLY, unix.EACCES},
		{"", unix.O_RDONLY | unix.O_DIRECTORY, unix.EACCES},
	} {
		if err := open(dir+c.path, c.flags); !errors.Is(err, c.want) {
			t.Errorf("ABI %d: open %q with %#x: %v, want %v", abi, c.path, c.flags, err, c.want)
		}
	}
	if err := unix.Unlink(dir + "/shown/a"); !errors.Is(err, unix.EACCES) {
		t.Errorf("ABI %d: unlink: %v", abi, err)
	}
	connected := connect(port)
	signalled := unix.Tgkill(unix.Getppid(), unix.Getppid(), 0)
	if got := errors.Is(connected, unix.EACCES); got != (abi >= 4) {
		t.Errorf("ABI %d: connect: %v", abi, connected)
	}
	if got := errors.Is(signalled, unix.EPERM); got != (abi >= 6) {
		t.Errorf("ABI %d: signal to the parent: %v", abi, signalled)
	}
}

func connect(port int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
}

// TestNoneBelowOne: a launch that asks for no version gets no empty ruleset.
func TestNoneBelowOne(t *testing.T) {
	if _, err := landlock.New(0); err == nil || errors.Is(err, syscall.ENOSYS) {
		t.Errorf("ABI 0: %v", err)
	}
}
