package main

import (
	"context"
	"time"

	"sallyport/internal/monitor"
)

// halt asks a loop to stand still between two turns, for the supervisor to be
// written down. The same one goes to every loop.
type halt struct {
	ctx    context.Context // until when the standing may be waited for
	resume chan struct{}   // closed when all of them go on
	stands chan struct{}   // a token of every loop that stands
}

// here is called by a loop: it returns when the halt is over, or ctx.
func (h *halt) here(ctx context.Context) {
	h.stands <- struct{}{}
	select {
	case <-h.resume:
	case <-ctx.Done():
	}
}

// over says that the halt has ended.
func (h *halt) over() bool {
	select {
	case <-h.resume:
		return true
	default:
		return false
	}
}

// rest brings a worker to a stand as soon as nothing of it is half done: no
// process, or one that is ready, whose words were all heard, whose offers have
// their receipts, and whom nobody watches any more. The loop calls it after every
// turn.
func (w *worker) rest(ctx context.Context) {
	h := w.halting
	if h == nil {
		return
	}
	if h.over() {
		w.wake()
		return
	}
	x := w.session
	switch state := w.mon.State(); {
	case !state.Running():
		if len(w.inbox) > 0 {
			return
		}
	case state != monitor.Ready:
		return // a start, or an end, is under way
	case !x.hushing:
		x.hushing = true
		go x.hush(h.ctx)
		return
	case !x.hushed, len(w.inbox) > 0, x.offering.Load() > 0:
		return
	case !w.s.launcher.Suspend(x.proc):
		return // it is dead, and its end comes to the inbox
	}
	h.here(ctx)
	w.wake()
}

// wake goes on after a halt.
func (w *worker) wake() {
	w.halting = nil
	x := w.session
	if x == nil || !x.hushing {
		return
	}
	if !x.hushed {
		return // its note will come, and wakes it
	}
	x.hushing, x.hushed = false, false
	if w.mon.State().Running() {
		x.speak()
		w.s.launcher.Resume(x.proc)
	}
}

// hush ends the reading of what the worker says, at the end of a record, when
// everything that was read is in the inbox; and then says so there.
func (x *session) hush(ctx context.Context) {
	if err := x.conn.Suspend(ctx); err != nil {
		x.w.log.Debug("the channel does not stand still", "why", err)
	}
	x.mu.Lock()
	stop, talked := x.stopTalk, x.talked
	x.mu.Unlock()
	stop()
	<-talked
	x.w.inbox <- note{epoch: x.epoch, hushed: true}
}

// speak reads on.
func (x *session) speak() {
	x.conn.Resume()
	x.talk(x.converseOn)
}

// talk runs the conversation beside the loop, until it ends or is hushed.
func (x *session) talk(converse func() error) {
	ctx, cancel := context.WithCancel(x.ctx)
	talked := make(chan struct{})
	x.mu.Lock()
	x.talking, x.stopTalk, x.talked = ctx, cancel, talked
	x.mu.Unlock()
	go func() {
		defer close(talked)
		defer cancel()
		if err := converse(); err != nil && !x.explained(err) {
			x.post(monitor.Event{Kind: monitor.Failed, Reason: err.Error()})
		}
	}()
}

// untilTalked waits for the end of the conversation, but not for ever.
func (x *session) untilTalked(within time.Duration) {
	x.mu.Lock()
	talked := x.talked
	x.mu.Unlock()
	select {
	case <-talked:
	case <-time.After(within):
	}
	x.cancel()
	<-talked
}
