package killsup

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// parent is one process of the supervisor.
type parent struct {
	pid    int
	began  time.Time
	log    *journal
	rows   []row // of its first complete look
	status *unix.WaitStatus
}

// journal keeps what a supervisor logs. It says when to look, never what is so.
type journal struct {
	mu    sync.Mutex
	text  []byte
	grown chan struct{} // holds an element when there is more
	over  chan struct{} // closed at the end
}

func (j *journal) follow(r *os.File) {
	defer close(j.over)
	defer r.Close()
	buf := make([]byte, 8192)
	for {
		n, err := r.Read(buf)
		j.mu.Lock()
		j.text = append(j.text, buf[:n]...)
		j.mu.Unlock()
		select {
		case j.grown <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (j *journal) len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.text)
}

// fault finds, behind the first from bytes, the process that died at a point.
func (j *journal) fault(point string, from int) (pid int, found bool) {
	return j.number("fault: "+point+" of process ", from)
}

// ready finds, behind the first from bytes, a process that became ready.
func (j *journal) ready(worker string, from int) (pid int, found bool) {
	return j.number("supervisor."+worker+": ready: pid=", from)
}

// number is the one behind the last occurrence of words.
func (j *journal) number(words string, from int) (n int, found bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := bytes.LastIndex(j.text[from:], []byte(words))
	if at < 0 {
		return 0, false
	}
	after := j.text[from+at+len(words):]
	end := bytes.IndexAny(after, " \"\n")
	if end < 0 {
		return 0, false
	}
	n, err := strconv.Atoi(string(after[:end]))
	return n, err == nil
}

// errors are the lines of level ERROR, but for one that says how slow a stop was:
// that is a matter of the machine, and whether it came to its end is looked at.
func (j *journal) errors() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []string
	for line := range strings.Lines(string(j.text)) {
		if strings.Contains(line, "was not reaped in time") {
			continue
		}
		if strings.Contains(line, "[ERROR]") || strings.Contains(line, "panic") {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all
}

// tail is the end of it, for a finding.
func (j *journal) tail() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(j.text)), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "above 8") }) // the alarm's
	return strings.Join(lines[max(0, len(lines)-12):], "\n  ")
}

// start starts a supervisor in the lane's directory.
func (l *lane) start() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		r.Close()
		return err
	}
	defer null.Close()
	p := &parent{began: time.Now(), log: &journal{grown: make(chan struct{}, 1), over: make(chan struct{})}}
	plan := "tell=on"
	if l.measured && l.cfg.Switch != "" {
		plan += "," + l.cfg.Switch + "=on"
	}
	program := filepath.Join(l.cfg.Programs, "supervisor")
	p.pid, err = syscall.ForkExec(program, []string{"supervisor", l.file}, &syscall.ProcAttr{
		Dir: l.cfg.Dir, Files: []uintptr{null.Fd(), null.Fd(), w.Fd()},
		Env: []string{"SALLYPORT_FAULT=" + plan, "SALLYPORT_FAULT_DIR=" + l.orders},
	})
	if err != nil {
		r.Close()
		return fmt.Errorf("start %s: %w", program, err)
	}
	l.sup = p
	go p.log.follow(r)
	return nil
}

// reap takes the status of every child that has ended: the supervisor, and as
// the first process of the namespace whatever a dead supervisor left.
func (l *lane) reap() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if l.sup != nil && pid == l.sup.pid {
			l.sup.status = &status
		}
	}
}

// died waits for the end of the supervisor and says whether it came.
func (l *lane) died(within time.Duration) bool {
	return l.until(within, func() bool { l.reap(); return l.sup.status != nil })
}

// hears waits for something in the log; the end of the supervisor ends it too.
func (l *lane) hears(within time.Duration, so func() bool) bool {
	late := time.After(within)
	for !so() {
		select {
		case <-l.sup.log.grown:
		case <-l.sup.log.over:
			return so()
		case <-late:
			return false
		}
	}
	return true
}

// killParent sends SIGKILL from outside, if it is not dead yet.
func (l *lane) killParent(point string) error {
	l.reap()
	if l.sup.status == nil {
		if err := unix.Kill(l.sup.pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return os.NewSyscallError("kill", err)
		}
		if !l.died(l.cfg.Patience) {
			return l.finding("stuck", "the supervisor does not die")
		}
	}
	if l.killed() {
		l.tally.Supervisors++
		l.tally.hit(point)
		return nil
	}
	if st := *l.sup.status; !st.Exited() || st.ExitStatus() != 0 {
		return l.finding("ended", "the supervisor ended with status %#x", uint32(st))
	}
	l.tally.Missed++ // an ordered stop was faster
	return nil
}

func (l *lane) killed() bool {
	return l.sup.status.Signaled() && l.sup.status.Signal() == unix.SIGKILL
}

// order puts an order for the supervisor where internal/fault looks; cancel
// takes it back.
func (l *lane) order(name, text string) error {
	tmp := filepath.Join(l.cfg.Dir, "order")
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(l.orders, name))
}

func (l *lane) clearOrders() error {
	names, err := filepath.Glob(filepath.Join(l.orders, "*"))
	for _, n := range names {
		err = errors.Join(err, os.Remove(n))
	}
	return err
}

// obeyed says whether the order for a point was carried out.
func (l *lane) obeyed(point string) bool {
	_, err := os.Stat(filepath.Join(l.orders, point+".done"))
	return err == nil
}
