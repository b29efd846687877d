package scmrights

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/fd"
	"sallyport/internal/sys"
)

// Offered is an OFFER in the hands of a small peer: one that says no HELLO and
// answers with the short receipt, one byte for all. It owns the descriptors and
// the receipt pipe until Close.
type Offered struct {
	slots  []slot
	rights []*fd.FD
	pipe   *fd.FD
}

// ReceiveOffer borrows an end of a channel and waits for the next OFFER on it.
// It returns when every announced descriptor has arrived and fits what its slot
// says; anything less closes what came, the receipt pipe with it, so that the
// sender knows, and is an ErrProtocol or an ErrLost. At the end of the channel
// it returns io.EOF.
//
// A blocking file is read without the runtime's poller, and then ctx does not
// wake it: a program that is about to execute another has no poller's
// descriptors in the way of Activate.
func ReceiveOffer(ctx context.Context, channelEnd *os.File) (*Offered, error) {
	raw, err := channelEnd.SyscallConn()
	if err != nil {
		return nil, &Error{Op: "receive", Err: err}
	}
	polled := !errors.Is(channelEnd.SetReadDeadline(time.Time{}), os.ErrNoDeadline)
	defer expireWith(ctx, channelEnd.SetReadDeadline)()
	p := Peer{
		ch:      newChannel(channelEnd, raw),
		buf:     make([]byte, maxRecord+1),
		control: make([]byte, sys.ScmControlSpace(sys.ScmMaxRights)),
	}
	p.ch.inKernel = !polled
	for {
		o, err := p.nextOffer()
		switch {
		case err == io.EOF:
			return nil, io.EOF
		case ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
			return nil, &Error{Op: "receive", Err: ctx.Err()}
		case err != nil:
			return nil, &Error{Op: "receive", Err: err}
		case o != nil:
			return o, nil
		}
	}
}

// nextOffer is nil for records that a small peer passes over.
func (p *Peer) nextOffer() (*Offered, error) {
	a, err := p.ch.receive(p.buf, p.control)
	if err != nil {
		return nil, err
	}
	o, err := p.offered(&a)
	if o == nil {
		_ = fd.CloseAll(a.rights)
	}
	return o, err
}

func (p *Peer) offered(a *arrival) (*Offered, error) {
	if len(a.data) == 0 {
		return nil, io.EOF
	}
	if err := a.cut(maxRecord); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLost, err)
	}
	r, err := decodeRecord(a.data)
	switch {
	case err != nil:
		return nil, err
	case r.kind == typeBye:
		return nil, io.EOF
	case r.kind != typeOffer:
		return nil, nil
	case len(r.slots) == 0 || len(r.payload) != 0:
		return nil, faultf("OFFER with %d slots and %d bytes", len(r.slots), len(r.payload))
	case len(a.rights) != len(r.slots)+1:
		return nil, faultf("OFFER with %d slots and %d descriptors", len(r.slots), len(a.rights))
	}
	last := len(r.slots)
	for i := range r.slots {
		if r.slots[i].mode > ModeMove {
			return nil, faultf("OFFER slot %d in mode %s, which a short receipt cannot answer", i, r.slots[i].mode)
		}
		if v := r.slots[i].inspect(a.numbers[i]); v.status != StatusTaken {
			return nil, faultf("OFFER slot %d: %s", i, v.status)
		}
	}
	return &Offered{slots: r.slots, rights: a.rights[:last], pipe: a.rights[last]}, nil
}

// Names are the names of the descriptors in the order of the offer.
func (o *Offered) Names() []string {
	names := make([]string, len(o.slots))
	for i := range o.slots {
		names[i] = o.slots[i].name
	}
	return names
}

// Receipt tells the sender that all of them were taken, by the short receipt: one
// byte, and the end of the pipe. The second call does nothing.
func (o *Offered) Receipt() error {
	defer o.pipe.Close()
	err := writeReceipt(o.pipe, []byte{shortReceipt})
	if err == nil || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return &Error{Op: "receipt", Err: err}
}

// Granted gives the descriptors away; none are left in o.
func (o *Offered) Granted() []Granted {
	var all []Granted
	for i, d := range o.rights {
		all = append(all, o.slots[i].granted(d, new(atomic.Pointer[os.File])))
	}
	o.rights = nil
	return all
}

// firstActivated is SD_LISTEN_FDS_START of sd_listen_fds(3).
const firstActivated = 3

// Activate prepares this process to execute a program that is activated by
// sockets, sd_listen_fds(3): the descriptors become 3, 4, 5 and so on, stay open
// over the exec, and the returned variables say so to a program of this pid.
// What had these numbers before is closed: nobody may use one of them any more,
// the runtime's poller included.
func (o *Offered) Activate() (variables []string, err error) {
	for _, name := range o.Names() {
		// sd_listen_fds_with_names(3): names are separated by colons.
		if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) {
			return nil, &Error{Op: "activate", Err: fmt.Errorf("%w: %.60q cannot stand in LISTEN_FDNAMES", ErrUnsupported, name)}
		}
	}
	above := firstActivated + len(o.rights)
	for i, d := range o.rights {
		if o.rights[i], err = moveUp(d, above); err != nil {
			return nil, &Error{Op: "activate", Err: err}
		}
	}
	if o.pipe, err = moveUp(o.pipe, above); err != nil {
		return nil, &Error{Op: "activate", Err: err}
	}
	for i, d := range o.rights {
		err := d.Borrow(func(n int) error { return os.NewSyscallError("dup3", unix.Dup3(n, firstActivated+i, 0)) })
		if err != nil {
			return nil, &Error{Op: "activate", Err: err}
		}
		_ = d.Close()
	}
	return []string{
		"LISTEN_PID=" + strconv.Itoa(os.Getpid()),
		"LISTEN_FDS=" + strconv.Itoa(len(o.rights)),
		"LISTEN_FDNAMES=" + strings.Join(o.Names(), ":"),
	}, nil
}

// moveUp takes d and gives a descriptor of the same file with a number of at
// least above.
func moveUp(d *fd.FD, above int) (moved *fd.FD, err error) {
	err = d.Borrow(func(n int) error {
		if n >= above {
			moved = d
			return nil
		}
		n, err := unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, above)
		if err != nil {
			return os.NewSyscallError("fcntl(F_DUPFD_CLOEXEC)", err)
		}
		moved = fd.Own(n)
		return nil
	})
	if err != nil || moved == d {
		return d, err
	}
	return moved, d.Close()
}

// Close closes what o still owns. Without a receipt before it, the sender learns
// that nothing was taken.
func (o *Offered) Close() error {
	return errors.Join(fd.CloseAll(o.rights), o.pipe.Close())
}
