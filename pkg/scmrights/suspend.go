package scmrights

import (
	"context"
	"time"
)

// Suspend stops reading the channel between two records: what the worker says
// from then on waits in the kernel. Messages that were read before are still
// returned by Receive; offers and sends go on. It waits for the record in hand,
// which takes as long as Receive is not called while the backlog is full; when ctx
// ends first, the channel is read on. At the end of the channel it is that error.
func (c *Conn) Suspend(ctx context.Context) error {
	c.mu.Lock()
	if c.stood == nil {
		c.stood = make(chan struct{})
	}
	stood := c.stood
	c.mu.Unlock()
	if err := c.ch.file.SetReadDeadline(longAgo); err != nil {
		return &Error{Op: "suspend", Peer: c.peer, Err: ErrClosed}
	}
	select {
	case <-stood:
		return nil
	case <-c.ended:
		return c.whyEnded("suspend")
	case <-ctx.Done():
		c.Resume()
		return &Error{Op: "suspend", Peer: c.peer, Err: ctx.Err()}
	}
}

// Resume reads on after Suspend.
func (c *Conn) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stood == nil || c.closing {
		return
	}
	_ = c.ch.file.SetReadDeadline(time.Time{}) // closed: the reader will meet that
	select {
	case <-c.stood:
		c.wg.Add(1)
		go c.read()
	default: // the reader did not come to it
	}
	c.stood = nil
}

// stands is for the reader whose deadline has passed: it ends, unless the channel
// is to be read on by now.
func (c *Conn) stands() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stood != nil {
		close(c.stood)
		return true
	}
	return false
}

// suspended says whether nobody reads now; c.mu is held.
func (c *Conn) suspended() bool {
	if c.stood == nil {
		return false
	}
	select {
	case <-c.stood:
		return true
	default:
		return false
	}
}
