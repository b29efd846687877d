package scmrights

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"sallyport/internal/fault"
	"sallyport/internal/fd"
)

// next waits for one record and checks all that does not depend on its type.
// The descriptors are the caller's; without a record they are closed. A record
// whose control messages were cut is returned without any: the kernel drops
// what does not fit from the end, so its receipt pipe is gone, and the parent
// knows by that.
func (p *Peer) next() (*record, arrival, error) {
	a, err := p.ch.receive(p.buf, p.control)
	if err != nil {
		return nil, arrival{}, err
	}
	fault.Point("W3")
	r := &p.in
	err = p.check(r, &a)
	if err != nil || a.flags&unix.MSG_CTRUNC != 0 {
		_ = fd.CloseAll(a.rights)
		a.rights, a.numbers = nil, nil
	}
	return r, a, err
}

// check decodes what arrived into r.
func (p *Peer) check(r *record, a *arrival) error {
	switch {
	case len(a.data) == 0:
		return io.EOF
	case a.flags&unix.MSG_TRUNC != 0 || len(a.data) > maxRecord:
		return faultf("a record of more than %d bytes", maxRecord)
	case a.malformed != nil:
		return faultf("%v", a.malformed)
	}
	if err := r.decode(a.data); err != nil {
		return err
	}
	switch last := p.taken.Load(); {
	case r.seq != last+1:
		return faultf("%s has number %d, expected was %d", r.kind, r.seq, last+1)
	case p.epoch != 0 && r.epoch != p.epoch:
		return faultf("%s of epoch %d in epoch %d", r.kind, r.epoch, p.epoch)
	case r.ack < p.acked.Load() || r.ack > p.sent.Load():
		return faultf("%s acknowledges record %d; %d were sent, %d acknowledged", r.kind, r.ack, p.sent.Load(), p.acked.Load())
	case r.kind != typeOffer && len(a.rights) != 0:
		return faultf("%s with %d descriptors", r.kind, len(a.rights))
	case a.flags&unix.MSG_CTRUNC != 0 && r.kind != typeOffer:
		return faultf("%s with control messages that were cut", r.kind)
	}
	p.taken.Store(r.seq)
	p.acked.Store(r.ack)
	return nil
}

// act does what a record asks for; show says whether it is for the caller of
// Receive.
func (p *Peer) act(r *record, a *arrival) (e Event, show bool, err error) {
	if len(r.slots) != 0 && r.kind != typeOffer && r.kind != typeRevoke {
		return e, false, faultf("%s with %d slots", r.kind, len(r.slots))
	}
	switch r.kind {
	case typeOffer:
		e.Grants, err = p.onOffer(r, a)
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
	case typeCommit:
		e.Grants, err = p.onCommit(r)
		return e, true, err
	case typeAbort:
		e.Revoked, err = p.onAbort(r)
		return e, len(e.Revoked) != 0, err
	case typeRevoke:
		e.Revoked, err = p.onRevoke(r)
		return e, len(e.Revoked) != 0, err
	case typeBye:
		reason, err := decodeUint(r, byeSize)
		if err == nil {
			p.bye.Store(reason<<1 | 1)
			err = io.EOF
		}
		return e, false, err
	}
	return e, false, faultf("%s is not for parents to send now", r.kind)
}
