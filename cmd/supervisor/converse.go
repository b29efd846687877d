package main

import (
	"errors"
	"fmt"
	"io"

	"sallyport/internal/launch"
	"sallyport/internal/monitor"
)

// converse takes the steps of the hand-over in order, then passes on what the
// worker says until the channel ends.
func (x *session) converse() error {
	small := x.w.cfg.Protocol < 2
	if !small {
		if _, err := x.conn.Hello(x.ctx); err != nil {
			return x.ending("HELLO", err)
		}
		// From here a start-up call is a breach.
		x.proc.SetPhase(launch.Running)
	}
	x.post(monitor.Event{Kind: monitor.Hello})
	for range 2 {
		select {
		case step := <-x.proceed:
			if err := x.take(step); err != nil {
				return err
			}
		case <-x.ctx.Done():
			return nil
		}
	}
	if small {
		return x.converseSmall()
	}
	return x.hearAll()
}

// converseOn goes on with a worker that is ready.
func (x *session) converseOn() error {
	if x.w.cfg.Protocol < 2 {
		return x.smallOn(true)
	}
	return x.hearAll()
}

// hearAll passes on what the worker says.
func (x *session) hearAll() error {
	for {
		m, err := x.conn.Receive(x.talking)
		if err != nil {
			return x.ending("channel", err)
		}
		x.w.inbox <- note{epoch: x.epoch, word: &word{kind: m.Kind, body: m.Body, seq: m.Seq}}
	}
}

// take does one step: the proof, or the grants that a proof allows.
func (x *session) take(step monitor.ActionKind) error {
	switch step {
	case monitor.Prove:
		proof, err := x.prove()
		if err != nil {
			return fmt.Errorf("proof of confinement: %w", err)
		}
		x.proof = proof
		go x.sweep(x.expect())
		x.post(monitor.Event{Kind: monitor.Proved})
		return nil
	case monitor.Grant:
		return x.grant()
	}
	return fmt.Errorf("no step %v in a session", step)
}

// ending tells an end that the process's exit explains from a fault.
func (x *session) ending(what string, err error) error {
	if errors.Is(err, io.EOF) || x.talking.Err() != nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
