package systemd_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/systemd"
	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// manager binds NOTIFY_SOCKET for the test.
func manager(t *testing.T, name string) *scmrights.Socket {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := scmrights.NewSocket(conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", "")
	t.Setenv("WATCHDOG_PID", "")
	return s
}

func fromEnvironment(t *testing.T) *systemd.Manager {
	t.Helper()
	m, err := systemd.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWordsOfTheProtocol(t *testing.T) {
	testenv.CheckFDs(t)
	s := manager(t, "@sallyport-test-"+strconv.Itoa(os.Getpid()))
	m := fromEnvironment(t)
	for _, row := range []struct {
		say  func() error
		want string
	}{
		{func() error { return m.Ready("3 workers\nREADY=0") }, "READY=1\nSTATUS=3 workers READY=0"},
		{func() error { return m.Status("well") }, "STATUS=well"},
		{m.Stopping, "STOPPING=1\nSTATUS=stopping in order"},
		{m.Beat, "WATCHDOG=1"},
		{func() error { return m.Drop("device.load") }, "FDSTOREREMOVE=1\nFDNAME=device.load"},
	} {
		if err := row.say(); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, s, 0); got.text != row.want {
			t.Errorf("said %q, want %q", got.text, row.want)
		}
	}
}

type delivery struct {
	text  string
	files []*os.File
}

func receive(t *testing.T, s *scmrights.Socket, files int) delivery {
	t.Helper()
	buf := make([]byte, 4096)
	if err := s.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	d, err := s.Receive(scmrights.Room{Data: [][]byte{buf}, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	return delivery{string(buf[:d.N]), d.Files}
}

// TestReloadingGivesTheTime: a time of CLOCK_MONOTONIC between before and after.
func TestReloadingGivesTheTime(t *testing.T) {
	s := manager(t, filepath.Join(t.TempDir(), "notify"))
	m := fromEnvironment(t)
	before := monotonic(t)
	if err := m.Reloading(); err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(receive(t, s, 0).text, "\n")
	number, found := strings.CutPrefix(rest, "MONOTONIC_USEC=")
	usec, err := strconv.ParseInt(number, 10, 64)
	if first != "RELOADING=1" || !found || err != nil || usec < before || usec > monotonic(t) {
		t.Errorf("said %q and %q between %d and %d", first, rest, before, monotonic(t))
	}
}

func monotonic(t *testing.T) int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

// TestKeepSendsTheOpenFile: what arrives is the same open file, offset and all.
func TestKeepSendsTheOpenFile(t *testing.T) {
	testenv.CheckFDs(t)
	s := manager(t, filepath.Join(t.TempDir(), "notify"))
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Seek(7, 0); err != nil {
		t.Fatal(err)
	}
	if err := fromEnvironment(t).Keep("device.status", f); err != nil {
		t.Fatal(err)
	}
	got := receive(t, s, 2)
	if got.text != "FDSTORE=1\nFDNAME=device.status\nFDPOLL=0" || len(got.files) != 1 {
		t.Fatalf("%q with %d descriptors", got.text, len(got.files))
	}
	defer got.files[0].Close()
	if at, err := got.files[0].Seek(0, 1); at != 7 || err != nil {
		t.Errorf("its offset is %d (%v), want 7", at, err)
	}
}

func TestEnvironment(t *testing.T) {
	pid := strconv.Itoa(os.Getpid())
	for _, row := range []struct {
		socket, usec, pid string
		watchdog          time.Duration
		none, wrong       bool
	}{
		{none: true},
		{socket: "/run/x"},
		{socket: "/run/x", usec: "30000000", watchdog: 30 * time.Second},
		{socket: "@x", usec: "1000", pid: pid, watchdog: time.Millisecond},
		{socket: "@x", usec: "1000", pid: "1"},
		{socket: "relative", wrong: true},
		{socket: "/run/x", usec: "0", wrong: true},
		{socket: "/run/x", usec: "-1", wrong: true},
		{socket: "/run/x", usec: "9223372036854775807", wrong: true},
	} {
		t.Setenv("NOTIFY_SOCKET", row.socket)
		t.Setenv("WATCHDOG_USEC", row.usec)
		t.Setenv("WATCHDOG_PID", row.pid)
		m, err := systemd.FromEnvironment()
		if (err != nil) != row.wrong || (m == nil) != (row.none || row.wrong) || m.Watchdog() != row.watchdog {
			t.Errorf("%+v: %v, watchdog %v, %v", row, m, m.Watchdog(), err)
		}
	}
}

// TestNobodyListens: a manager that is gone is an error, no manager is none.
func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := fromEnvironment(t).Beat(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := (*systemd.Manager)(nil).Ready("x"); err != nil {
		t.Errorf("without a manager: %v", err)
	}
}
