package monitor_test

import (
	"errors"
	"fmt"
	"time"

	"sallyport/internal/monitor"
)

// act does what the Monitor says, and judges whether it may be done now.
func (w *world) act(a monitor.Action, before monitor.State, e monitor.Event) error {
	switch a.Kind {
	case monitor.Launch:
		return w.launch(e)
	case monitor.Prove:
		if !w.process || w.proving {
			return errors.New("nothing to prove")
		}
		w.proving = true
	case monitor.Grant:
		if e.Kind != monitor.Proved || !w.process || !w.proving {
			return errors.New("a grant without a proof")
		}
		w.granted = true
	case monitor.Permit:
		if !w.granted || w.killed || w.asked || e.Kind != monitor.Readied {
			return errors.New("lanes open for a worker that is not ready")
		}
		w.open = true
	case monitor.Revoke:
		w.open = false
	case monitor.AskStop:
		if w.open || !w.process {
			return errors.New("asked to stop before its rights were gone")
		}
		w.asked = true
	case monitor.Kill:
		if w.open || !w.process || a.Reason == "" {
			return errors.New("killed with open lanes, twice, or without a reason")
		}
		w.killed = true
	case monitor.Release:
		if w.process || w.released || w.open {
			return errors.New("released before it was reaped, or twice")
		}
		w.released = true
	default:
		return fmt.Errorf("unknown action %d in state %v", a.Kind, before)
	}
	return nil
}

// launch holds the rules of restarting.
func (w *world) launch(e monitor.Event) error {
	rules := w.cfg.Restart
	switch {
	case w.process:
		return errors.New("a second process")
	case !w.wanted:
		return errors.New("nobody wants it")
	case !w.byHand && rules.When == "never":
		return errors.New("restarted under the rule never")
	case !w.byHand && rules.When == "on-failure" && w.fine:
		return errors.New("restarted after a clean exit")
	case !w.byHand && e.Kind != monitor.Tick:
		return errors.New("restarted without a wait")
	}
	if w.byHand {
		w.failures = nil
	}
	w.process, w.byHand = true, false
	w.asked, w.killed, w.proving, w.granted, w.fine = false, false, false, false, false
	return nil
}

// check is what holds between any two events.
func (w *world) check(before monitor.State, e monitor.Event) error {
	state := w.m.State()
	at, timed := w.m.Deadline()
	left := at.Sub(w.now)
	switch {
	case w.process != state.Running():
		return fmt.Errorf("state %v with a process: %v", state, w.process)
	case w.open != (state == monitor.Ready):
		return fmt.Errorf("state %v with open lanes: %v", state, w.open)
	case !state.Running() && before.Running() && !w.released:
		return errors.New("ended, and nothing was released")
	case !w.wanted && (state == monitor.Backoff || state.Running() && state != monitor.Stopping):
		return fmt.Errorf("state %v though it was stopped", state)
	case state == monitor.Stopping && !w.asked && !w.killed:
		return errors.New("stopping, and nobody told it")
	case w.m.Reason() == "" && (state == monitor.GivenUp || state == monitor.Quarantined):
		return errors.New("given up without a reason")
	}
	var longest time.Duration
	switch state {
	case monitor.Starting, monitor.Proving, monitor.Granting:
		longest = w.cfg.ReadyWithin
	case monitor.Ready:
		longest = w.cfg.Heartbeat
	case monitor.Stopping:
		longest = w.cfg.StopGrace
	case monitor.Backoff:
		longest = 200 * time.Millisecond
	}
	if timed != (longest > 0) || timed && (left < 0 || left > longest) {
		return fmt.Errorf("state %v with a deadline (%v) in %v, want one within %v", state, timed, left, longest)
	}
	return w.checkGivingUp(before, state, e)
}

// checkGivingUp counts the failures beside the Monitor.
func (w *world) checkGivingUp(before, state monitor.State, e monitor.Event) error {
	rules := w.cfg.Restart
	if e.Kind != monitor.Exited || !before.Running() {
		if state == monitor.GivenUp && before != state || state == monitor.Quarantined && before != state {
			return errors.New("given up without an end")
		}
		return nil
	}
	if state == monitor.Stopped || state.Running() || rules.GiveUp == 0 {
		return nil
	}
	w.failures = append(w.failures, w.now)
	recent := 0
	for _, f := range w.failures {
		if w.now.Sub(f) <= rules.GiveUpWithin {
			recent++
		}
	}
	if (state == monitor.Backoff) != (recent < rules.GiveUp) {
		return fmt.Errorf("%v after %d failures within %v, the rule is %d", state, recent, rules.GiveUpWithin, rules.GiveUp)
	}
	return nil
}
