package scmrights

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"sallyport/internal/fault"
	"sallyport/internal/fd"
)

// next waits for one record and checks all that does not depend on its type.
// The descriptors are the caller's; without a record they are closed. A record
// whose control messages were cut is returned without any: the kernel drops
// what does not fit from the end, so its receipt pipe is gone, and the parent
// knows by that.
func (p *Peer) next() (record, []*fd.FD, error) {
	a, err := p.ch.receive(p.buf, p.control)
	if err != nil {
		return record{}, nil, err
	}
	fault.Point("W3")
	r, err := p.check(&a)
	if err != nil || a.flags&unix.MSG_CTRUNC != 0 {
		_ = fd.CloseAll(a.rights)
		a.rights = nil
	}
	return r, a.rights, err
}

func (p *Peer) check(a *arrival) (record, error) {
	switch {
	case len(a.data) == 0:
		return record{}, io.EOF
	case a.flags&unix.MSG_TRUNC != 0 || len(a.data) > maxRecord:
		return record{}, faultf("a record of more than %d bytes", maxRecord)
	case a.malformed != nil:
		return record{}, faultf("%v", a.malformed)
	}
	r, err := decodeRecord(a.data)
	if err != nil {
		return r, err
	}
	switch last := p.taken.Load(); {
	case r.seq != last+1:
		return r, faultf("%s has number %d, expected was %d", r.kind, r.seq, last+1)
	case p.epoch != 0 && r.epoch != p.epoch:
		return r, faultf("%s of epoch %d in epoch %d", r.kind, r.epoch, p.epoch)
	case r.ack < p.acked.Load() || r.ack > p.sent.Load():
		return r, faultf("%s acknowledges record %d; %d were sent, %d acknowledged", r.kind, r.ack, p.sent.Load(), p.acked.Load())
	case r.kind != typeOffer && len(a.rights) != 0:
		return r, faultf("%s with %d descriptors", r.kind, len(a.rights))
	case a.flags&unix.MSG_CTRUNC != 0 && r.kind != typeOffer:
		return r, faultf("%s with control messages that were cut", r.kind)
	}
	p.taken.Store(r.seq)
	p.acked.Store(r.ack)
	return r, nil
}

// act does what a record asks for; show says whether it is for the caller of
// Receive.
func (p *Peer) act(r *record, rights []*fd.FD) (e Event, show bool, err error) {
	if len(r.slots) != 0 && r.kind != typeOffer && r.kind != typeRevoke {
		return e, false, faultf("%s with %d slots", r.kind, len(r.slots))
	}
	switch r.kind {
	case typeOffer:
		e.Grants, err = p.onOffer(r, rights)
		return e, len(e.Grants) != 0, err
	case typeMessage:
		var m Message
		m, err = decodeMessage(r)
		e.Message = &m
		return e, true, err
	case typePing:
		nonce, err := decodeUint(r, nonceSize)
		if err == nil {
			_, err = p.transmit(typePong, nil, encodeUint64(nonce))
			if errors.Is(err, unix.EPIPE) {
				err = nil // the parent is gone; what it sent before may still wait
			}
		}
		return e, true, err
	case typeAbort:
		var seq uint64
		seq, err = decodeUint(r, seqSize)
		e.Revoked = p.known.broughtBy(seq)
		return e, len(e.Revoked) != 0, err
	case typeRevoke:
		if err = exactly(typeRevoke, r.payload, revokeSize); err != nil {
			return e, false, err
		}
		if len(r.slots) == 0 {
			return e, false, faultf("REVOKE with 0 slots")
		}
		e.Revoked = p.known.names(r.slots)
		return e, len(e.Revoked) != 0, nil
	case typeBye:
		if err = exactly(typeBye, r.payload, byeSize); err != nil {
			return e, false, err
		}
		return e, false, io.EOF
	}
	return e, false, faultf("%s is not for parents to send now", r.kind)
}

// onOffer is the receiving half of a hand-over. All descriptors are owned by
// now (W4). They are compared with their slots, those that do not fit are
// closed, the receipt is written, its pipe is closed, and only then the caller
// sees the rest. When nobody reads the receipt any more the parent does not
// count on this worker having them, and they are closed.
func (p *Peer) onOffer(r *record, rights []*fd.FD) ([]Granted, error) {
	fault.Point("W4")
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
	verdicts := make([]verdict, len(rights))
	for i, d := range rights {
		verdicts[i] = p.inspect(&r.slots[i], d)
		if verdicts[i].status != StatusTaken || p.known.has(r.slots[i].token) {
			_ = d.Close()
		}
	}
	fault.Point("W5")
	err := writeReceipt(pipe, encodeReceipt(p.epoch, r.seq, verdicts))
	_ = pipe.Close()
	fault.Point("W6")
	if err != nil {
		_ = fd.CloseAll(rights)
		if errors.Is(err, unix.EPIPE) {
			return nil, nil
		}
		return nil, err
	}
	var grants []Granted
	for i, d := range rights {
		s := &r.slots[i]
		if verdicts[i].status != StatusTaken || p.known.has(s.token) {
			continue
		}
		p.known.add(s.token, s.name, r.seq, verdicts[i].number)
		grants = append(grants, Granted{Name: s.name, Kind: s.kind, Mode: s.mode, Access: s.access, File: d.File(s.name)})
	}
	return grants, nil
}

// inspect compares a descriptor with its slot (identity level 1). A token that
// was taken before gets the same answer again.
func (p *Peer) inspect(s *slot, d *fd.FD) verdict {
	if number, known := p.known.number(s.token); known {
		return verdict{status: StatusTaken, number: number}
	}
	v := verdict{status: StatusMissing, number: -1}
	_ = d.Borrow(func(n int) error {
		ident, err := identify(n)
		switch {
		case err != nil:
		case s.mode > ModeMove:
			v.status = StatusNotWanted // needs steps that this end does not know
		case !s.kind.fits(ident.mode):
			v.status = StatusWrongKind
		case !s.ident.same(ident):
			v.status = StatusWrongIdentity
		default:
			v = verdict{status: StatusTaken, number: int32(n)}
		}
		return nil
	})
	return v
}

// writeReceipt is one write of at most PIPE_BUF bytes into an empty pipe: it
// does not wait and is not split.
func writeReceipt(pipe *fd.FD, receipt []byte) error {
	return pipe.Borrow(func(n int) error {
		for {
			_, err := unix.Write(n, receipt)
			if err != unix.EINTR {
				return os.NewSyscallError("write(receipt)", err)
			}
		}
	})
}
