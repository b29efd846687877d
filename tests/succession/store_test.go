//go:build !fault

package succession_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/pkg/scmrights"
)

const stored = `
supervisor {
  name    = "stored"
  ids     = "%[3]s"
  control = "%[1]s/control"
  waive   = ["landlock", "cgroup-memory"]
}
device "load" {
  file = { path = "%[1]s/value", decode = "raw" }
}
socket "door" {
  listen = "tcp://%[2]s"
}
socket "hatch" {
  listen = "unix://%[1]s/hatch"
}
queue "readings" {
  isolation = "per-worker"
  urgent { bands = { alert = 1 } }
  routine { bands = { reading = 9 } }
}
worker "it" {
  command  = ["sampler"]
  settings = { every = "50ms" }
  devices  = ["load"]
  policy   = "sensor-read"
  queue "readings" { send = ["reading"] }
}
worker "web" {
  command = ["worker", "read"]
  sockets = ["door", "hatch"]
  policy  = "http-serve"
}
`

// manager plays the service manager: it hears what a service says and keeps
// what it is given, by name.
type manager struct {
	t      *testing.T
	path   string
	socket *scmrights.Socket
	over   chan struct{}

	mu    sync.Mutex
	said  []string
	store map[string]*os.File
}

func newManager(t *testing.T, dir string) *manager {
	t.Helper()
	m := &manager{t: t, path: filepath.Join(dir, "notify"), store: map[string]*os.File{}, over: make(chan struct{})}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	if m.socket, err = scmrights.NewSocket(conn); err != nil {
		t.Fatal(err)
	}
	go m.listen()
	t.Cleanup(func() {
		m.socket.Close()
		<-m.over
		for _, f := range m.store {
			f.Close()
		}
	})
	return m
}

func (m *manager) listen() {
	defer close(m.over)
	for {
		buf := make([]byte, 4096)
		d, err := m.socket.Receive(scmrights.Room{Data: [][]byte{buf}, Files: 8})
		if err != nil {
			return // closed at the end of the test
		}
		m.hear(string(buf[:d.N]), d.Files)
	}
}

func (m *manager) hear(text string, files []*os.File) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said = append(m.said, text)
	name := ""
	for line := range strings.SplitSeq(text, "\n") {
		if value, found := strings.CutPrefix(line, "FDNAME="); found {
			name = value
		}
	}
	if old := m.store[name]; old != nil && (strings.HasPrefix(text, "FDSTOREREMOVE=1\n") || len(files) > 0) {
		old.Close()
		delete(m.store, name)
	}
	if strings.HasPrefix(text, "FDSTORE=1\n") && len(files) == 1 {
		m.store[name] = files[0]
	}
}

// count is how often something was said that begins so.
func (m *manager) count(prefix string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, text := range m.said {
		if strings.HasPrefix(text, prefix) {
			n++
		}
	}
	return n
}

func (m *manager) kept() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name := range m.store {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// start starts a supervisor with all that is in the store, and more of the
// test's own making, as LISTEN_FDS from 3 up.
func (m *manager) start(dir, file string, more map[string]*os.File) *running {
	m.t.Helper()
	var names []string
	var files []*os.File
	m.mu.Lock()
	for _, set := range []map[string]*os.File{m.store, more} {
		for name, f := range set {
			names, files = append(names, name), append(files, f)
		}
	}
	m.mu.Unlock()
	return launch(m.t, dir, file, func(cmd *exec.Cmd) {
		// LISTEN_PID is the pid of the service itself, which a shell knows.
		cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.path, "WATCHDOG_USEC=300000", "WATCHDOG_PID=",
			fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
		cmd.ExtraFiles = files
	})
}

// TestStoreSurvivesTheSupervisor: after a kill -9 the successor has the same
// open files, shown by the offset that the test set and by kcmp(2); a connection
// that waited in a listener's queue still does; and what the store held that is
// not what the configuration says was closed and taken out.
func TestStoreSurvivesTheSupervisor(t *testing.T) {
	port := freePort(t)
	dir, file := home(t, strings.ReplaceAll(stored, "%[2]s", port))
	value := filepath.Join(dir, "value")
	if err := os.WriteFile(value, []byte("1234567890\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := newManager(t, dir)
	want := []string{"device.load", "socket.door", "socket.hatch"}

	first := m.start(dir, file, nil)
	until(t, "READY=1 and three descriptors kept", func() bool {
		return m.count("READY=1\n") == 1 && slices.Equal(m.kept(), want)
	})
	until(t, "a worker that is ready", func() bool { return m.count("STATUS=2 of 2 workers ready") > 0 })
	until(t, "signs of life", func() bool { return m.count("WATCHDOG=1") > 2 })
	client, err := net.Dial("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("still here")); err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	number, err := unix.FcntlInt(m.store["device.load"].Fd(), unix.F_DUPFD_CLOEXEC, 0)
	m.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	held := os.NewFile(uintptr(number), "held") // the store's own is replaced by the successor
	defer held.Close()
	if _, err := held.Seek(7, 0); err != nil {
		t.Fatal(err)
	}
	first.kill()

	stranger, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	second := m.start(dir, file, map[string]*os.File{"device.gone": stranger})
	until(t, "READY=1 of the successor", func() bool { return m.count("READY=1\n") == 2 })
	until(t, "a ready worker of the successor", func() bool { return m.count("STATUS=2 of 2 workers ready") > 1 })

	m.mu.Lock()
	door := m.store["socket.door"]
	for name, f := range map[string]*os.File{"device.load": held, "socket.door": door, "socket.hatch": m.store["socket.hatch"]} {
		if !hasOpenFile(t, second.pid(), f) {
			t.Errorf("the successor has not the open file of %s", name)
		}
	}
	m.mu.Unlock()
	if at := offset(t, second.pid(), value); at != 7 {
		t.Errorf("the offset of the device's open file is %d, want 7", at)
	}
	listener, err := net.FileListener(door)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_ = listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	waiting, err := listener.Accept()
	if err != nil {
		t.Fatalf("nobody waits in the listener's queue: %v", err)
	}
	defer waiting.Close()
	said := make([]byte, 16)
	if n, err := waiting.Read(said); string(said[:n]) != "still here" {
		t.Errorf("it says %q, %v", said[:n], err)
	}
	if m.count("FDSTOREREMOVE=1\nFDNAME=device.gone") != 1 {
		t.Error("the stranger is still in the store")
	}
	for _, link := range links(t, second.pid()) {
		if strings.HasPrefix(link, value) && strings.Contains(link, "deleted") {
			t.Errorf("descriptor of %s", link)
		}
	}
	if err := second.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of the reload", func() bool { return m.count("RELOADING=1\nMONOTONIC_USEC=") == 1 && m.count("READY=1\n") == 3 })
	if got := m.kept(); !slices.Equal(got, want) {
		t.Errorf("the store holds %q after a reload without changes, want %q", got, want)
	}
	second.stop()
	if m.count("STOPPING=1") != 1 {
		t.Error("the stop was not announced")
	}
	if _, err := os.Lstat(filepath.Join(dir, "hatch")); !os.IsNotExist(err) {
		t.Errorf("the recovered listener's path is left: %v", err)
	}
}

// hasOpenFile says whether a process holds the same open file description.
func hasOpenFile(t *testing.T, pid int, f *os.File) bool {
	t.Helper()
	const kcmpFile = 0
	for number := range links(t, pid) {
		n, _ := strconv.Atoi(number)
		order, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(os.Getpid()), uintptr(pid), kcmpFile, f.Fd(), uintptr(n), 0)
		if errno == unix.ENOSYS {
			t.Skip("needs kcmp")
		}
		if errno == 0 && order == 0 {
			return true
		}
	}
	return false
}

// offset is the file offset of the one descriptor that leads to path.
func offset(t *testing.T, pid int, path string) int {
	t.Helper()
	found := -1
	for number, link := range links(t, pid) {
		if link != path {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, number))
		if err != nil {
			t.Fatal(err)
		}
		at, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(strings.SplitN(string(text), "\n", 2)[0], "pos:")))
		if err != nil {
			t.Fatal(err)
		}
		found = max(found, at)
	}
	return found
}

// TestUnitFile: the service manager's own judge finds nothing wrong with the unit.
func TestUnitFile(t *testing.T) {
	judge, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("needs systemd-analyze")
	}
	unit, err := os.ReadFile("../../contrib/systemd/sallyport@.service")
	if err != nil {
		t.Fatal(err)
	}
	// The command it starts is not installed where tests run.
	text := strings.ReplaceAll(string(unit), "/usr/bin/sallyport", "/bin/true")
	path := filepath.Join(t.TempDir(), "sallyport@.service")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(judge, "verify", "--man=no", path).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, path) || strings.Contains(line, "sallyport@.service:") {
			t.Errorf("%s", line)
		}
	}
	if err != nil && strings.Contains(string(out), "sallyport") {
		t.Errorf("%v: %s", err, out)
	}
}
