package main

import (
	"context"
	"sync"
)

// crew is the actor that holds the loops of all workers, those that a reload
// adds included. It fails with the first of them.
type crew struct {
	ctx    context.Context
	cancel context.CancelFunc
	loops  sync.WaitGroup
	failed chan error
}

func newCrew() *crew {
	c := &crew{failed: make(chan error, 1)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// add runs the loop of a worker until the worker is retired or the crew ends.
func (c *crew) add(w *worker) {
	c.loops.Go(func() {
		if err := guarded("worker "+w.cfg.Name, func() error { return w.loop(c.ctx) }); err != nil {
			select {
			case c.failed <- err:
			default: // one is enough to end everything
			}
		}
	})
}

func (c *crew) execute() error {
	select {
	case err := <-c.failed:
		return err
	case <-c.ctx.Done():
		return nil
	}
}

// interrupt ends every loop and waits for them.
func (c *crew) interrupt() {
	c.cancel()
	c.loops.Wait()
}
