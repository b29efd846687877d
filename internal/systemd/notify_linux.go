package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/pkg/scmrights"
)

// Manager is who started this process and wants to be told. The nil Manager is
// nobody. Its methods may be called from several goroutines.
type Manager struct {
	path     string        // NOTIFY_SOCKET, "@name" for the abstract name space
	watchdog time.Duration // 0 without one
}

// sendTime bounds how long a manager that does not read may hold us up.
const sendTime = time.Second

// FromEnvironment finds the manager by NOTIFY_SOCKET, and the longest silence it
// bears by WATCHDOG_USEC, unless WATCHDOG_PID names another process. It is nil
// without an error when there is none. The variables stay: an image that this
// process executes later is the same service.
func FromEnvironment() (*Manager, error) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil, nil
	}
	if path[0] != '/' && path[0] != '@' {
		return nil, fmt.Errorf("NOTIFY_SOCKET=%.120q is neither a path nor an abstract name", path)
	}
	m := &Manager{path: path}
	limit, pid := os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	if limit == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return m, nil
	}
	usec, err := strconv.ParseUint(limit, 10, 63)
	if err != nil || usec == 0 || usec > uint64(time.Duration(1<<63-1)/time.Microsecond) {
		return nil, fmt.Errorf("WATCHDOG_USEC=%.40q is no time in microseconds", limit)
	}
	m.watchdog = time.Duration(usec) * time.Microsecond
	return m, nil
}

// Watchdog is the silence after which the manager ends this process; 0 is any.
func (m *Manager) Watchdog() time.Duration {
	if m == nil {
		return 0
	}
	return m.watchdog
}

// Ready says that the start, or a reload, is over.
func (m *Manager) Ready(status string) error { return m.say("READY=1", "STATUS="+oneLine(status)) }

// Status is one line for a person.
func (m *Manager) Status(status string) error { return m.say("STATUS=" + oneLine(status)) }

// Reloading says that a reload begins; Ready ends it. The time is what a
// service of Type=notify-reload has to give.
func (m *Manager) Reloading() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return os.NewSyscallError("clock_gettime", err)
	}
	return m.say("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(now.Nano()/1000, 10))
}

// Stopping says that the ordered stop begins.
func (m *Manager) Stopping() error { return m.say("STOPPING=1", "STATUS=stopping in order") }

// Beat is the sign of life that the watchdog waits for.
func (m *Manager) Beat() error { return m.say("WATCHDOG=1") }

// Keep puts a copy of f into the manager's store under name, for a successor of
// this process. f is borrowed. FDPOLL=0: the manager would otherwise throw out
// an attribute of sysfs, which always polls as failed (systemd 246 and later
// know the word, older ones pass over it).
func (m *Manager) Keep(name string, f syscall.Conn) error {
	return m.send([]syscall.Conn{f}, "FDSTORE=1", "FDNAME="+name, "FDPOLL=0")
}

// Drop takes everything out of the store that has this name.
func (m *Manager) Drop(name string) error { return m.say("FDSTOREREMOVE=1", "FDNAME="+name) }

func (m *Manager) say(lines ...string) error { return m.send(nil, lines...) }

// send dials for every word: no descriptor stays open between two of them.
func (m *Manager) send(files []syscall.Conn, lines ...string) error {
	if m == nil {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("service manager: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(sendTime)); err != nil {
		return fmt.Errorf("service manager: %w", err)
	}
	socket, err := scmrights.NewSocket(conn)
	if err != nil {
		return fmt.Errorf("service manager: %w", err)
	}
	text := strings.Join(lines, "\n")
	if _, err := socket.Send(scmrights.Packet{Data: [][]byte{[]byte(text)}, Files: files}); err != nil {
		return fmt.Errorf("service manager: %s: %w", lines[0], err)
	}
	return nil
}

// oneLine keeps a status from being read as further assignments.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }
