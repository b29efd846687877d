package killsup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Config says what one lane plays.
type Config struct {
	Programs string // directory of a build with failpoints
	Dir      string // the lane's own; root's, and writable by nobody else
	IDs      int    // the first of its user ids
	Seed     uint64
	Next     func() (n uint64, more bool) // number of the next life
	Cycles   int                          // deaths of workers in a life, at least
	Patience time.Duration                // after which something is stuck
	Late     time.Duration                // after which a good state is too late
	Limit    int                          // of findings
	Report   func(n uint64, t Tally)      // after every life
	// For the tests of this package: called before every look, and a switch of
	// internal/fault that every supervisor but the one that is measured has on.
	Sabotage func(l Life) error
	Switch   string
}

// Life is what a sabotage may touch.
type Life struct {
	Supervisor int
	Dir        string
}

// lane is what one lane knows.
type lane struct {
	cfg    Config
	exes   map[string]file
	file   string // configuration
	orders string
	ipc    string // the lane's own namespace
	mounts string
	tables []string // of a supervisor whose workers were never killed, by classes
	days   map[string]int64
	sup    *parent
	tally  Tally
	life   life

	measured bool
}

// Run plays lives until there are no more, in a process that is the first of its
// namespaces: see isolate. It returns an error of the harness; what it found is in
// the reports.
func Run(cfg Config) error {
	if err := isolate(cfg.Dir); err != nil {
		return err
	}
	l := &lane{cfg: cfg, orders: filepath.Join(cfg.Dir, "orders"), days: map[string]int64{}}
	var err error
	if l.exes, err = programs(cfg.Programs); err != nil {
		return err
	}
	if l.file, err = writeConfig(cfg.Dir, cfg.IDs); err != nil {
		return err
	}
	if err := os.MkdirAll(l.orders, 0o700); err != nil {
		return err
	}
	if l.mounts, err = mounts(); err != nil {
		return err
	}
	if l.ipc, err = os.Readlink("/proc/self/ns/ipc"); err != nil {
		return err
	}
	if err := l.measure(); err != nil {
		return err
	}
	for found := 0; found < max(1, cfg.Limit); {
		n, more := cfg.Next()
		if !more {
			break
		}
		l.tally, l.life = Tally{Lives: 1}, at(cfg.Seed, n, cfg.Cycles)
		if err := l.play(); err != nil {
			found++
			l.tally.Findings = append(l.tally.Findings, fmt.Sprintf("life %d, %+v: %v", n, l.life, err))
			if err := l.sweep(); err != nil {
				return err
			}
		}
		cfg.Report(n, l.tally)
	}
	return nil
}

// measure notes the table of a supervisor whose workers nobody has killed, which
// is what every later one is held to.
func (l *lane) measure() error {
	if err := l.start(); err != nil {
		return err
	}
	if err := l.ready(nil, l.sup.began); err != nil {
		return err
	}
	var err error
	settled := l.until(l.cfg.Patience, func() bool {
		var t []descriptor
		if t, err = table(l.sup.pid); err != nil {
			return true
		}
		before := l.tables
		if l.tables = sortedClasses(t); !slices.Equal(before, l.tables) {
			time.Sleep(settling)
			return false
		}
		err = l.look()
		return err == nil
	})
	if err == nil && !settled {
		err = l.finding("stuck", "the descriptors of an idle supervisor change all the time: %v", l.tables)
	}
	if err == nil {
		err = unix.Kill(l.sup.pid, unix.SIGTERM)
	}
	l.measured = true
	if err == nil && !l.died(l.cfg.Patience) {
		err = l.finding("stuck", "the supervisor does not stop")
	}
	if err == nil {
		err = l.gone()
	}
	if err == nil && !strings.Contains(l.sup.log.tail(), "what was lent is back: grants=1") {
		err = l.finding("lent", "the alarm's lamp was not called back before the stop")
	}
	return err
}

// settling is how long nothing changes in a table that counts as settled.
const settling = 20 * time.Millisecond

// play is one life.
func (l *lane) play() error {
	if err := l.clearOrders(); err != nil {
		return err
	}
	if err := l.begin(); err != nil || l.life.early.point != "" {
		return err
	}
	for _, c := range l.life.cycles {
		if err := l.cycle(c); err != nil {
			return fmt.Errorf("%v: %w", c, err)
		}
	}
	if err := l.end(l.life.last); err != nil {
		return fmt.Errorf("%v: %w", l.life.last, err)
	}
	return l.after()
}

// begin starts the supervisor, and kills it on its way or waits until it is ready.
func (l *lane) begin() error {
	e := l.life.early
	if e.point != "" && e.point != anyStart {
		if err := l.order(e.point, fmt.Sprint(e.nth)); err != nil {
			return err
		}
	}
	if err := l.start(); err != nil {
		return err
	}
	switch e.point {
	case "":
		if err := l.ready(nil, l.sup.began); err != nil {
			return err
		}
		l.tally.Restarts = append(l.tally.Restarts, milliseconds(time.Since(l.sup.began)))
		return l.check()
	case anyStart:
		time.Sleep(time.Duration(e.micros) * time.Microsecond)
	default:
		l.died(unreached)
	}
	if err := l.finish(e.point); err != nil {
		return err
	}
	return l.after()
}

// unreached is how long a process has to come to a point.
const unreached = 3 * time.Second

// end brings the supervisor to its death.
func (l *lane) end(e end) error {
	if e.point != anyParent && e.point != anyStop {
		if err := l.order(e.point, fmt.Sprint(e.nth)); err != nil {
			return err
		}
	}
	switch {
	case e.stop:
		if err := unix.Kill(l.sup.pid, unix.SIGTERM); err != nil {
			return os.NewSyscallError("kill", err)
		}
		if e.point != anyStop {
			l.died(l.cfg.Patience)
			break
		}
		time.Sleep(time.Duration(e.micros) * time.Microsecond)
	case e.point == anyParent:
		if e.micros%2 == 0 { // half of them while a worker is being replaced
			if _, err := l.killWorker(workers[e.micros%len(workers)].name); err != nil {
				return err
			}
		}
		time.Sleep(time.Duration(e.micros) * time.Microsecond)
	default:
		if _, err := l.killWorker(workers[int(l.life.tear)%len(workers)].name); err != nil {
			return err
		}
		l.died(unreached)
	}
	return l.finish(e.point)
}

// finish makes sure that the supervisor is dead, and notes by what.
func (l *lane) finish(point string) error {
	if l.sup.status != nil && l.killed() && l.obeyed(point) {
		l.tally.Supervisors++
		l.tally.hit(point)
		return nil
	}
	if point == anyStart || point == anyParent || point == anyStop {
		return l.killParent(point)
	}
	if l.sup.status == nil {
		l.tally.Missed++
	}
	return l.killParent(anyParent)
}

// after looks at what the dead supervisor left, and tears the day file.
func (l *lane) after() error {
	if err := l.gone(); err != nil {
		return err
	}
	if errs := l.sup.log.errors(); len(errs) > 0 {
		return l.finding("log", "errors in its log: %q", errs)
	}
	return l.tear(l.life.tear)
}

// cycle kills a worker, and perhaps its successor at a point, and waits until
// everything is good again.
func (l *lane) cycle(c cycle) error {
	time.Sleep(time.Duration(c.micros) * time.Microsecond)
	if c.point != "" {
		if err := l.order("worker."+c.worker, fmt.Sprintf("%s=kill:%d,tell=on", c.point, c.nth)); err != nil {
			return err
		}
	}
	from, dead := l.sup.log.len(), map[int]bool{}
	pid, err := l.killWorker(c.worker)
	if err != nil {
		return err
	}
	dead[pid] = true
	died := time.Now()
	if c.point != "" {
		if l.hears(unreached, func() bool { pid, err = l.successor(c, from); return pid != 0 || err != nil }) && err == nil {
			l.tally.Workers++
			l.tally.hit(c.point)
		} else {
			if err != nil {
				return err
			}
			l.tally.Missed++ // it may come there at any time, so it must go
			if pid, err = l.killWorker(c.worker); err != nil {
				return err
			}
		}
		dead[pid] = true
		died = time.Now()
	}
	if err := l.ready(dead, died); err != nil {
		return err
	}
	l.tally.Recoveries = append(l.tally.Recoveries, milliseconds(time.Since(died)))
	return l.check()
}

// successor is the process that died at the point, 0 while none has.
func (l *lane) successor(c cycle, from int) (int, error) {
	if l.reap(); l.sup.status != nil {
		return 0, l.finding("ended", "the supervisor ended with status %#x", uint32(*l.sup.status))
	}
	pid, _ := l.sup.log.fault(c.point, from)
	return pid, nil
}

// killWorker kills the process of a worker from outside.
func (l *lane) killWorker(name string) (pid int, err error) {
	found := l.until(l.cfg.Patience, func() bool {
		var all []process
		all, err = processes()
		for _, p := range all {
			if p.exe == l.exes[name] {
				pid = p.pid
			}
		}
		return pid != 0 || err != nil
	})
	if err != nil {
		return 0, err
	}
	if !found {
		return 0, l.finding("not ready", "there is no process of %s", name)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return 0, os.NewSyscallError("kill", err)
	}
	l.tally.Workers++
	l.tally.hit(anyWorker)
	return pid, nil
}

// until asks every millisecond or less often, and says whether it was so in time.
func (l *lane) until(within time.Duration, so func() bool) bool {
	pause := time.Millisecond
	for end := time.Now().Add(within); ; time.Sleep(pause) {
		pause = min(pause*5/4, 20*time.Millisecond)
		if so() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// finding is a promise that was not kept, with the supervisor's last words.
func (l *lane) finding(sort, format string, args ...any) error {
	return fmt.Errorf("%s: %s\n  %s", sort, fmt.Sprintf(format, args...), l.sup.log.tail())
}

// sweep ends what a finding left, so that the next life can begin.
func (l *lane) sweep() error {
	ended := l.until(l.cfg.Patience, func() bool {
		l.reap()
		all, _ := pids()
		for _, pid := range all {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		return len(all) == 0
	})
	if !ended {
		return errors.New("processes that cannot be killed")
	}
	clear(l.days)
	return os.RemoveAll(filepath.Join(l.cfg.Dir, "data"))
}
