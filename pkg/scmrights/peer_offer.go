package scmrights

import (
	"errors"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sallyport/internal/fault"
	"sallyport/internal/fd"
)

// onOffer is the receiving half of a hand-over. All descriptors are owned by
// now (W4). They are compared with their slots, those that do not fit are
// closed, the receipt is written, its pipe is closed, and only then the caller
// sees the rest: in ModeExclusive not before COMMIT. When nobody reads the
// receipt any more the parent does not count on this worker having them, and
// they are closed.
func (p *Peer) onOffer(r *record, a *arrival) ([]Granted, error) {
	fault.Point("W4")
	rights := a.rights
	if len(r.slots) == 0 || len(r.payload) != 0 {
		_ = fd.CloseAll(rights)
		return nil, faultf("OFFER with %d slots and %d bytes", len(r.slots), len(r.payload))
	}
	if len(rights) == 0 {
		return nil, nil // all were dropped by the kernel, the receipt pipe with them
	}
	if len(rights) != len(r.slots)+1 {
		_ = fd.CloseAll(rights)
		return nil, faultf("OFFER with %d slots and %d descriptors", len(r.slots), len(rights))
	}
	pipe, rights := rights[len(rights)-1], rights[:len(rights)-1]
	fresh := p.inspectAll(r, rights, a.numbers)
	fault.Point("W5")
	p.receipt = appendReceipt(p.receipt[:0], p.epoch, r.seq, p.verdicts)
	err := writeReceipt(pipe, p.receipt)
	_ = pipe.Close()
	fault.Point("W6")
	if err != nil {
		for _, d := range rights {
			if d != nil {
				_ = d.Close()
			}
		}
		if errors.Is(err, unix.EPIPE) {
			return nil, nil
		}
		return nil, err
	}
	return p.keep(r, rights, fresh), nil
}

// inspectAll leaves the verdicts in p.verdicts, closes what is not to be kept,
// which is nil in rights from then on, and counts the rest.
func (p *Peer) inspectAll(r *record, rights []*fd.FD, numbers []int) (fresh int) {
	p.verdicts = p.verdicts[:0]
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, d := range rights {
		s := &r.slots[i]
		var v verdict
		if m := p.known.find(s.token); m != nil {
			v = verdict{status: StatusTaken, number: m.number} // the answer that it had before
			_ = d.Close()
			rights[i] = nil
		} else if v = s.inspect(numbers[i]); v.status != StatusTaken {
			_ = d.Close()
			rights[i] = nil
		} else {
			fresh++
		}
		p.verdicts = append(p.verdicts, v)
	}
	return fresh
}

// keep remembers what was taken and returns what the caller may have now.
func (p *Peer) keep(r *record, rights []*fd.FD, fresh int) []Granted {
	grants, files := make([]Granted, 0, fresh), make([]atomic.Pointer[os.File], fresh)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, d := range rights {
		if d == nil {
			continue
		}
		s := &r.slots[i]
		m := p.known.add(s.token)
		if m == nil { // the same token twice in one record
			_ = d.Close()
			continue
		}
		m.name, m.seq, m.number, m.ident = s.name, r.seq, p.verdicts[i].number, s.ident
		if s.mode == ModeExclusive {
			p.waiting = append(p.waiting, waiting{seq: r.seq, slot: *s, fd: d, known: m})
			continue
		}
		g := s.granted(d, &files[len(grants)])
		if s.mode == ModeLend {
			m.file = g.File()
		}
		grants = append(grants, g)
	}
	return grants
}

func (s *slot) granted(d *fd.FD, file *atomic.Pointer[os.File]) Granted {
	return Granted{Name: s.name, Kind: s.kind, Mode: s.mode, Access: s.access, fd: d, file: file}
}

// inspect compares descriptor n, of which nobody else knows yet, with its slot
// (identity level 1).
func (s *slot) inspect(n int) verdict {
	ident, err := identify(n)
	switch {
	case err != nil:
		return verdict{status: StatusMissing, number: -1}
	case s.mode > ModeLend:
		return verdict{status: StatusNotWanted, number: -1} // needs steps that this end does not know
	case !s.kind.fits(ident.mode):
		return verdict{status: StatusWrongKind, number: -1}
	case !s.ident.same(ident):
		return verdict{status: StatusWrongIdentity, number: -1}
	}
	return verdict{status: StatusTaken, number: int32(n)}
}

// onCommit shows the caller what the OFFER with this number brought.
func (p *Peer) onCommit(r *record) ([]Granted, error) {
	seq, err := decodeUint(r, seqSize)
	if err != nil {
		return nil, err
	}
	var grants []Granted
	for _, w := range p.takeWaiting(func(w waiting) bool { return w.seq == seq }) {
		grants = append(grants, w.slot.granted(w.fd, new(atomic.Pointer[os.File])))
	}
	if grants == nil {
		return nil, faultf("COMMIT of record %d, of which nothing waits", seq)
	}
	return grants, nil
}

// onAbort closes what the OFFER with this number brought and nobody has seen
// yet, and returns the names of what the caller has to close.
func (p *Peer) onAbort(r *record) ([]string, error) {
	seq, err := decodeUint(r, seqSize)
	if err != nil {
		return nil, err
	}
	unseen := p.takeWaiting(func(w waiting) bool { return w.seq == seq })
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range unseen {
		_ = w.fd.Close()
		p.known.forget(w.known)
	}
	var names []string
	for _, m := range p.known.where(func(m *remembered) bool { return m.seq == seq }) {
		p.known.closeLent(m)
		p.known.forget(m)
		names = append(names, m.name)
	}
	return names, nil
}

// takeWaiting takes out those that fit.
func (p *Peer) takeWaiting(fits func(waiting) bool) (taken []waiting) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rest := p.waiting[:0]
	for _, w := range p.waiting {
		if fits(w) {
			taken = append(taken, w)
		} else {
			rest = append(rest, w)
		}
	}
	clear(p.waiting[len(rest):])
	p.waiting = rest
	return taken
}

// dropWaiting closes what waits for a COMMIT that cannot come any more.
func (p *Peer) dropWaiting() {
	for _, w := range p.takeWaiting(func(waiting) bool { return true }) {
		_ = w.fd.Close()
	}
}

// ended is the end of the channel: io.EOF after BYE and after the parent's death.
func (p *Peer) ended() error {
	p.dropWaiting()
	return io.EOF
}
