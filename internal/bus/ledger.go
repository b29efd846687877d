package bus

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"sallyport/pkg/sysvctl"
)

// In an IPC namespace that is not the supervisor's own, queues outlive it. What
// it makes there it writes into a file first thing, so that its successor can
// tell what was left behind by a kill -9 from what belongs to others.

// create makes the queue of a row, and enters it in the ledger.
func (b *Bus) create(r *row) error {
	q, err := sysvctl.Create(r.key, sysvctl.Options{Mode: modeClosed, QBytes: uint64(r.bytes)})
	if errors.Is(err, sysvctl.ErrExists) {
		err = foreign(r, err)
	}
	if err != nil {
		return fmt.Errorf("bus: create %v: %w", r, err)
	}
	r.q = q
	return b.enter(r)
}

// foreign names the creator of the queue that has the key of a row.
func foreign(r *row, err error) error {
	q, openErr := sysvctl.Open(r.key, sysvctl.Wanted{Anyone: true})
	if openErr != nil {
		return err
	}
	st, statErr := q.Stat()
	if statErr != nil {
		return err
	}
	return fmt.Errorf("the key %#x belongs to queue %d, made by user %d and not by this supervisor; take another key, or remove it with `sallyport queue remove id=%d`: %w",
		uint32(r.key), st.ID, st.CUID, st.ID, sysvctl.ErrForeign)
}

func (b *Bus) enter(r *row) error {
	if b.cfg.Ledger == "" {
		return nil
	}
	f, err := os.OpenFile(b.cfg.Ledger, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("bus: ledger of queues: %w", err)
	}
	_, err = fmt.Fprintf(f, "%d %d\n", r.q.ID(), r.key)
	return errors.Join(err, f.Close())
}

// sweep removes the queues that a predecessor left behind: those of its ledger
// whose key, creator and owner are still what they were.
func (b *Bus) sweep() error {
	if b.cfg.Ledger == "" {
		return nil
	}
	text, err := os.ReadFile(b.cfg.Ledger)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("bus: ledger of queues: %w", err)
	}
	me := uint32(os.Geteuid())
	for line := range strings.Lines(string(text)) {
		var id sysvctl.ID
		var key sysvctl.Key
		if _, err := fmt.Sscan(line, &id, &key); err != nil {
			continue // torn by the kill
		}
		q, err := sysvctl.FromID(id, sysvctl.Wanted{CUID: me, UID: me})
		if err != nil || q.Key() != key {
			continue // gone, or another one with its id
		}
		if err := q.Remove(); err != nil && !errors.Is(err, sysvctl.ErrRemoved) {
			return fmt.Errorf("bus: remove a queue that was left behind: %w", err)
		}
		b.cfg.Log("removed a queue that a supervisor before this one left behind", "id", id, "key", key)
	}
	return b.forget()
}

// forget ends the ledger: nothing of it exists any more.
func (b *Bus) forget() error {
	if b.cfg.Ledger == "" {
		return nil
	}
	if err := os.Remove(b.cfg.Ledger); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("bus: ledger of queues: %w", err)
	}
	return nil
}

// Left counts the lanes that the kernel still has, after Close.
func (b *Bus) Left() int {
	n := 0
	for _, r := range b.rows {
		if r.q == nil {
			continue
		}
		if _, err := sysvctl.FromID(r.q.ID(), sysvctl.Wanted{Anyone: true}); err == nil {
			n++
		}
	}
	return n
}
