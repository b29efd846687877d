package killsup

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sallyport/internal/sys"
)

// ready waits until the kernel shows every worker ready: one process of each
// program, none of them among the dead, and every queue open to its sender, which
// the supervisor does at READY.
func (l *lane) ready(dead map[int]bool, since time.Time) error {
	said := func() bool {
		for _, w := range workers {
			if pid, found := l.sup.log.ready(w.name, 0); !found || dead[pid] {
				return false
			}
		}
		return true
	}
	// Looking into /proc again and again while processes end there costs more
	// than all the rest.
	l.hears(l.cfg.Patience, said)
	why := ""
	ok := l.until(l.cfg.Patience, func() bool {
		if l.reap(); l.sup.status != nil {
			return true
		}
		why = l.unready(dead)
		return why == ""
	})
	switch took := time.Since(since); {
	case l.sup.status != nil:
		return l.finding("ended", "the supervisor ended with status %#x", uint32(*l.sup.status))
	case !ok:
		return l.finding("not ready", "%s", why)
	case took > l.cfg.Late:
		return l.finding("late", "ready after %v", took.Round(time.Millisecond))
	}
	return nil
}

func (l *lane) unready(dead map[int]bool) string {
	all, err := processes()
	if err != nil {
		return err.Error()
	}
	for _, w := range workers {
		n := 0
		for _, p := range all {
			if p.exe == l.exes[w.name] && !dead[p.pid] {
				n++
			}
		}
		if n != 1 {
			return fmt.Sprintf("%d processes of %s", n, w.name)
		}
	}
	rows, err := queues(l.sup.pid)
	if err != nil {
		return err.Error()
	}
	for _, r := range rows {
		if r.mode != "624" {
			return fmt.Sprintf("queue %d has mode %s", r.id, r.mode)
		}
	}
	if len(rows) == 0 {
		return "no queues"
	}
	return ""
}

// check looks at everything until it is as it should be. What is under way has
// as long as a restart.
func (l *lane) check() error {
	if l.cfg.Sabotage != nil {
		if err := l.cfg.Sabotage(Life{l.sup.pid, l.cfg.Dir}); err != nil {
			return err
		}
	}
	var err error
	l.until(l.cfg.Late, func() bool { err = l.look(); return err == nil })
	if err == nil {
		l.tally.Checks++
		return nil
	}
	return l.finding("wrong", "%v", err)
}

func (l *lane) look() error {
	all, err := processes()
	if err != nil {
		return err
	}
	at, err := l.lookAtProcesses(all)
	if err != nil {
		return err
	}
	rows, err := queues(l.sup.pid)
	if err != nil {
		return err
	}
	if err := l.lookAtQueues(rows); err != nil {
		return err
	}
	if err := l.lookAtTables(at); err != nil {
		return err
	}
	if now, err := mounts(); err != nil || now != l.mounts {
		return fmt.Errorf("mounts were\n%s\nand are\n%s (%v)", l.mounts, now, err)
	}
	want := map[string]int{"": 2 * len(workers), filepath.Join(l.cfg.Dir, "control"): 1}
	if sockets, err := unixSockets(); err != nil || !maps.Equal(sockets, want) {
		return fmt.Errorf("unix sockets are %v, want %v (%v)", sockets, want, err)
	}
	return l.lookAtDays()
}

// lookAtProcesses finds the workers among them; nothing else may be there.
func (l *lane) lookAtProcesses(all []process) (map[string]int, error) {
	at, uids := map[string]int{}, map[int]bool{}
	ipc := ""
	for _, p := range all {
		if p.pid == l.sup.pid {
			ipc = p.ipc
		}
	}
	for _, p := range all {
		if p.pid == l.sup.pid {
			continue
		}
		name := ""
		for _, w := range workers {
			if p.exe == l.exes[w.name] {
				name = w.name
			}
		}
		switch {
		case name == "" || at[name] != 0:
			return nil, fmt.Errorf("process %+v has no place here", p)
		case p.parent != l.sup.pid || p.ipc != ipc || ipc == l.ipc:
			return nil, fmt.Errorf("%s is %+v, its supervisor is %d in %s", name, p, l.sup.pid, ipc)
		case p.seccomp != "2" || strings.Trim(p.caps, "0") != "" || p.uid == 0 || uids[p.uid]:
			return nil, fmt.Errorf("%s is not confined: %+v", name, p)
		}
		at[name], uids[p.uid] = p.pid, true
	}
	if len(at) != len(workers) {
		return nil, fmt.Errorf("workers are %v", at)
	}
	return at, nil
}

// lookAtQueues compares them with the first look at this supervisor.
func (l *lane) lookAtQueues(rows []row) error {
	own, err := ownQueues()
	if err != nil || len(own) != 0 {
		return fmt.Errorf("queues outside of the supervisor's namespace: %+v (%v)", own, err)
	}
	for i := range rows {
		r := &rows[i]
		if r.mode != "624" || r.uid != 0 || r.cuid != 0 || r.gid == 0 {
			return fmt.Errorf("queue %+v", *r)
		}
		*r = row{id: r.id, gid: r.gid}
	}
	if l.sup.rows == nil {
		l.sup.rows = rows
	}
	if !slices.Equal(rows, l.sup.rows) {
		return fmt.Errorf("queues were %+v and are %+v", l.sup.rows, rows)
	}
	return nil
}

func (l *lane) lookAtTables(at map[string]int) error {
	own, err := table(l.sup.pid)
	if err != nil {
		return err
	}
	if now := sortedClasses(own); !slices.Equal(now, l.tables) {
		return fmt.Errorf("the supervisor's descriptors are %v, and were %v before the first death", own, l.tables)
	}
	tables := map[string][]descriptor{}
	for name, pid := range at {
		if tables[name], err = table(pid); err != nil {
			return err
		}
	}
	for _, w := range workers {
		others := map[int][]descriptor{l.sup.pid: own}
		for name, pid := range at {
			if name != w.name {
				others[pid] = tables[name]
			}
		}
		if err := judgeTable(at[w.name], tables[w.name], w.shared, w.moved, w.bells, l.sup.pid, others); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	for name, t := range tables {
		for _, d := range slices.Concat(t, own) {
			if d.queued != 0 {
				return fmt.Errorf("%s or its supervisor: %d descriptors are unread in %v", name, d.queued, d)
			}
		}
	}
	return nil
}

// judgeTable holds a worker's table to what it was granted.
func judgeTable(pid int, t []descriptor, shared, moved []string, bells, parent int, others map[int][]descriptor) error {
	want := []string{"/dev/null", "pipe", "pipe", "socket", "anon_inode:[eventpoll]", "anon_inode:[eventfd]"}
	want = append(want, shared...)
	want = append(want, moved...)
	for range bells {
		want = append(want, "pipe")
	}
	for i, d := range t {
		at := slices.IndexFunc(want, func(w string) bool {
			return d.class() == w || strings.HasPrefix(w, ".") && strings.HasSuffix(d.link, w)
		})
		if at < 0 {
			return fmt.Errorf("%v has no place in %v", d, t)
		}
		want = slices.Delete(want, at, at+1)
		granted := d.number > 5 // the channel and the poller's two are below
		if !granted {
			continue
		}
		holders, err := holders(pid, d, others)
		if err != nil {
			return err
		}
		isShared := slices.Contains(shared, d.link)
		switch {
		case isShared && (len(holders) == 0 || holders[parent] == 0 || len(holders) > 1):
			return fmt.Errorf("%v is shared, and is the open file of %v besides", d, holders)
		case !isShared && len(holders) != 0:
			return fmt.Errorf("%v is moved, and is the open file of %v besides", d, holders)
		case strings.HasPrefix(d.link, "pipe:") && !slices.ContainsFunc(others[parent], func(o descriptor) bool { return o.file == d.file }):
			return fmt.Errorf("%v is no pipe of the supervisor", d)
		}
		for _, o := range t[i+1:] {
			if o.file == d.file {
				return fmt.Errorf("%v twice: %v", d, t)
			}
		}
	}
	if len(want) != 0 {
		return fmt.Errorf("%v is missing in %v", want, t)
	}
	return nil
}

// holders counts the descriptors of other processes that are the same open file.
func holders(pid int, d descriptor, others map[int][]descriptor) (map[int]int, error) {
	count := map[int]int{}
	for other, t := range others {
		for _, o := range t {
			if o.file != d.file {
				continue
			}
			same, err := sys.ScmKcmp(pid, other, d.number, o.number)
			if err != nil {
				return nil, err
			}
			if same {
				count[other]++
			}
		}
	}
	return count, nil
}

// gone waits until nothing is left of a supervisor that is dead.
func (l *lane) gone() error {
	why := ""
	died := time.Now()
	ok := l.until(l.cfg.Patience, func() bool { l.reap(); why = l.left(); return why == "" })
	switch took := time.Since(died); {
	case !ok:
		return l.finding("left", "%s", why)
	case took > l.cfg.Late:
		return l.finding("late", "gone after %v", took.Round(time.Millisecond))
	default:
		l.tally.Endings = append(l.tally.Endings, milliseconds(took))
	}
	<-l.sup.log.over // nobody holds its standard error
	l.tally.Checks++
	return nil
}

func (l *lane) left() string {
	all, err := pids()
	if err != nil || len(all) != 0 {
		return fmt.Sprintf("processes %v (%v)", all, err)
	}
	if rows, err := ownQueues(); err != nil || len(rows) != 0 {
		return fmt.Sprintf("queues %+v (%v)", rows, err)
	}
	if now, err := mounts(); err != nil || now != l.mounts {
		return fmt.Sprintf("mounts\n%s (%v)", now, err)
	}
	if sockets, err := unixSockets(); err != nil || len(sockets) != 0 {
		return fmt.Sprintf("sockets %v (%v)", sockets, err)
	}
	ipc, err := os.Readlink("/proc/thread-self/ns/ipc")
	if err != nil || ipc != l.ipc {
		return fmt.Sprintf("this thread is in %s (%v)", ipc, err)
	}
	return ""
}
