package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"sallyport/internal/control"
)

// takeOverTime is how long a program may take to adopt an estate, a few
// milliseconds of work, before the one before it is put back.
const takeOverTime = 5 * time.Second

// takeOver adopts what the program before left, and then runs as every supervisor
// does. It is called on the process's first thread, which is the parent of all
// workers. When it fails, or takes too long, the program before is executed
// again; nothing was answered, read or closed until then.
func takeOver(o options, log hclog.Logger) int {
	gc := debug.SetGCPercent(-1) // nobody may close the file of a half-made thing
	s, err := newSupervisor(o, log)
	if err != nil {
		fmt.Fprintln(os.Stderr, "supervisor:", err)
		return exitFailed
	}
	s.hear()
	var e *estate
	adopted := make(chan error, 1)
	go func() {
		adopted <- guarded("adopt", func() (err error) {
			if e, err = readEstate(o.takeOver.estate); err != nil {
				return err
			}
			return s.adopt(e)
		})
	}()
	select {
	case err = <-adopted:
	case <-time.After(takeOverTime):
		err = fmt.Errorf("it did not come up within %v", takeOverTime)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "supervisor: cannot take over:", err)
		if o.takeOver.before >= 0 {
			why, _, _ := strings.Cut(err.Error(), "\n") // without the stack of a panic
			err = goBack(o.takeOver, why)
			fmt.Fprintln(os.Stderr, "supervisor: cannot go back:", err)
		}
		return exitFailed
	}
	s.estate = e
	debug.SetGCPercent(gc)
	if err := holdSignals(unix.SIG_UNBLOCK); err != nil {
		log.Error("signals", "error", err)
	}
	if s.baseline, err = descriptorsBut(append(e.Keep, o.takeOver.estate, o.takeOver.before)); err == nil {
		err = s.closeSuccession()
	}
	if err != nil {
		log.Error("after the succession", "error", err)
	}
	return serve(s)
}

// goBack executes the program before. It returns only an error.
func goBack(t succession, why string) error {
	unix.CloseOnExec(t.before) // it has done its part
	x := &execution{program: os.NewFile(uintptr(t.before), "before"), estate: os.NewFile(uintptr(t.estate), "estate")}
	if e, err := readEstate(t.estate); err == nil {
		x.keep = e.Keep
	} // else nothing was adopted, and nothing marked
	return x.run(why)
}

// closeSuccession gives up what only a way back needed.
func (s *supervisor) closeSuccession() error {
	for _, n := range []int{s.options.takeOver.estate, s.options.takeOver.before} {
		if n >= 0 {
			if err := unix.Close(n); err != nil {
				return os.NewSyscallError("close", err)
			}
		}
	}
	return nil
}

// announceSuccession tells everybody, when all loops turn again.
func (s *supervisor) announceSuccession() {
	e := s.estate
	s.logs.goOn(s.inherited)
	running := 0
	for _, w := range e.Workers {
		if w.Session != nil {
			running++
		}
	}
	took := milliseconds(time.Duration(monotonic() - e.Frozen))
	var fault *control.Fault
	if why := s.options.cameBack; why != "" {
		s.log.Error("not upgraded: the new program gave up", "why", why, "halted_ms", took)
		s.hub.Publish(control.UpgradeFailed{Why: why})
		fault = &control.Fault{Code: "SP0442", What: "not upgraded; the program before goes on", Why: why, Fix: "mend that and try again; nothing was lost"}
	} else {
		s.log.Info("upgraded", "from", e.From, "to", version, "workers", running, "halted_ms", took)
		s.hub.Publish(control.Upgraded{From: e.From, To: version, Workers: running, MS: took})
	}
	if e.Asker >= 0 {
		if err := control.Reply(e.Asker, upgradeItem{e.From, version, running, took}, fault); err != nil {
			s.log.Debug("who asked for the upgrade is gone", "why", err)
		}
	}
}
