package kill

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sallyport/tests/kill/wire"
)

// entry is a line of a process's descriptor table.
type entry struct {
	number   int
	link     string
	dev, ino uint64
}

func (e entry) String() string { return fmt.Sprintf("%d %s inode %d", e.number, e.link, e.ino) }

// extras is the table of a process without what every actor has: the standard
// streams, control, and the poller's two.
func extras(pid int) ([]entry, error) {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var more []entry
	poller := map[string]bool{}
	for _, name := range names {
		n, err := strconv.Atoi(name.Name())
		if err != nil || n <= wire.ControlFD {
			continue
		}
		e := entry{number: n}
		if e.link, err = os.Readlink(dir + "/" + name.Name()); err != nil {
			return nil, err
		}
		if (e.link == "anon_inode:[eventpoll]" || e.link == "anon_inode:[eventfd]") && !poller[e.link] {
			poller[e.link] = true
			continue
		}
		var st unix.Stat_t
		if err := unix.Stat(dir+"/"+name.Name(), &st); err != nil {
			return nil, fmt.Errorf("stat of descriptor %d (%s): %w", n, e.link, err)
		}
		e.dev, e.ino = uint64(st.Dev), st.Ino
		more = append(more, e)
	}
	return more, nil
}

// queued counts the descriptors that wait in the queue of a socket, by the line
// "scm_fds:" of its fdinfo (unix_show_fdinfo in net/unix/af_unix.c, Linux 5.6).
func queued(pid int, socket entry) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", pid, socket.number))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if value, found := strings.CutPrefix(string(line), "scm_fds:"); found {
			return strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return 0, fmt.Errorf("no scm_fds in fdinfo of %v", socket)
}

// audit compares the table of a process with what it should hold: sockets
// channels with empty queues, and these objects once each.
func audit(who string, a *actor, sockets int, holds []*object) error {
	table, err := extras(a.pid)
	if err != nil {
		return fmt.Errorf("table of the %s: %w", who, err)
	}
	table = slices.DeleteFunc(table, func(e entry) bool { return a.forgotten[e.number] })
	for _, o := range holds {
		i := o.in(table)
		if i < 0 {
			return finding(Lost, "the %s does not hold %v: %v", who, o, table)
		}
		table = append(table[:i:i], table[i+1:]...)
	}
	pidfd := who != "parent"
	open := sockets
	for _, e := range table {
		if open != 0 && strings.Contains(e.link, "pidfd") && !pidfd {
			pidfd = true // the parent's of its worker, as long as the channel is open
			continue
		}
		if !strings.HasPrefix(e.link, "socket:") || sockets == 0 {
			return finding(Leaked, "the %s holds %v besides what it should", who, e)
		}
		sockets--
		n, err := queued(a.pid, e)
		if err != nil {
			return err
		}
		if n != 0 {
			return finding(Leaked, "%d descriptors wait in %v of the %s", n, e, who)
		}
	}
	if sockets != 0 {
		return finding(Lost, "the %s has lost its channel", who)
	}
	return nil
}
