package scmrights

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// maxReleased is how many slots a RELEASED has: 5 fill the 512 bytes of a
// worker's record.
const maxReleased = (maxWorkerRecord - frameSize) / slotSize

// onRevoke closes what was lent, says so, and returns the names of all that is
// to be closed. Of the other modes, and of what somebody is reading just now,
// the caller says it by Released.
func (p *Peer) onRevoke(r *record) ([]string, error) {
	if err := exactly(typeRevoke, r.payload, revokeSize); err != nil {
		return nil, err
	}
	if len(r.slots) == 0 {
		return nil, faultf("REVOKE with 0 slots")
	}
	var names []string
	var closed []token
	p.mu.Lock()
	for i := range r.slots {
		m := p.known.find(r.slots[i].token)
		if m == nil {
			continue
		}
		m.called = true
		names = append(names, m.name)
		if p.known.closeLent(m) {
			closed = append(closed, m.token)
			p.known.forget(m)
		}
	}
	p.mu.Unlock()
	return names, p.sayReleased(closed)
}

// Released tells the parent that the descriptors which were granted under these
// names are closed: after Event.Revoked, or because they are not needed any
// more. When some of a name were revoked, it is about those; else about all that
// were granted under it. Names of nothing are left out, so that to say it twice,
// or of what was lent and is reported already, is no mistake.
func (p *Peer) Released(names ...string) error {
	var closed []token
	p.mu.Lock()
	for _, name := range names {
		found := p.known.where(func(m *remembered) bool { return m.name == name })
		called := slices.ContainsFunc(found, func(m *remembered) bool { return m.called })
		for _, m := range found {
			if m.called == called {
				closed = append(closed, m.token)
				p.known.forget(m)
			}
		}
	}
	p.mu.Unlock()
	if err := p.sayReleased(closed); err != nil {
		return &Error{Op: "released", Err: err}
	}
	return nil
}

func (p *Peer) sayReleased(closed []token) error {
	for part := range slices.Chunk(closed, maxReleased) {
		slots := make([]slot, len(part))
		for i, t := range part {
			slots[i].token = t
		}
		if _, err := p.transmit(typeReleased, slots, nil); err != nil {
			if errors.Is(err, unix.EPIPE) {
				return nil // the parent is gone; what it sent before may still wait
			}
			return err
		}
	}
	return nil
}
