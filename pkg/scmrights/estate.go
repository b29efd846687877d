package scmrights

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Estate is what a suspended Conn leaves to a successor, which can be another
// program that this process executes. It is made by Export and read by Import;
// in between it can be encoded as JSON. Descriptors stand in it as places in the
// list that Export returns beside it.
type Estate struct {
	Version  int // 1
	Phase    uint8
	Hello    Hello
	Bye      uint32
	Epoch    uint32
	Sent     uint64
	Received uint64
	Acked    uint64
	Returned uint64
	Handled  uint64
	Pings    uint64
	Pongs    uint64
	Credit   int
	Late     uint64
	Inbox    []Message // read and not returned by Receive yet
	Balance  Balance
	Offers   []EstateOffer
}

// EstateOffer is one offer whose grants have all ended.
type EstateOffer struct {
	ID     [12]byte // what its tokens have in common
	First  uint32   // what they count from
	Grants []EstateGrant
}

// EstateGrant is one grant. Copy is the place of the ledger's descriptor, -1
// when there is none. That of a Held is none: it stays with its owner, and the
// successor's grant is one without a copy.
type EstateGrant struct {
	Name           string
	Kind           Kind
	Mode           Mode
	Access         Access
	FileMode       uint32
	Dev, Ino, Rdev uint64
	State          State
	Parted         bool
	Seq            uint64
	Attempts       int
	Latency        time.Duration
	Status         Status
	Number         int32
	Identity       Identity
	Copy           int
}

const estateVersion = 1

// Export describes a suspended Conn. It is ErrBusy while an offer waits for its
// receipt, a revoked grant for its release, or a record is being sent. files are
// the numbers of the channel and of the ledger's copies, which stay the Conn's;
// for an exec the caller clears their close-on-exec flag. The Conn is not
// changed, and Resume goes on with it if nobody took it over: until then none of
// its other methods may be called.
func (c *Conn) Export() (e Estate, files []int, err error) {
	if !c.takeTurn(-1) {
		return e, nil, &Error{Op: "export", Peer: c.peer, Err: fmt.Errorf("%w: a record is being sent", ErrBusy)}
	}
	defer func() { <-c.sending }()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing || c.end != nil:
		return e, nil, &Error{Op: "export", Peer: c.peer, Err: ErrClosed}
	case !c.suspended():
		return e, nil, &Error{Op: "export", Peer: c.peer, Err: fmt.Errorf("%w: the channel is being read", ErrBusy)}
	case c.offers > 0 || len(c.recalls) > 0:
		return e, nil, &Error{Op: "export", Peer: c.peer, Err: fmt.Errorf("%w: %d offers wait for receipts, %d revokes for releases", ErrBusy, c.offers, len(c.recalls))}
	}
	e = Estate{Version: estateVersion, Phase: uint8(c.phase), Hello: c.hi, Bye: c.bye, Epoch: c.epoch,
		Sent: c.sent, Received: c.received, Acked: c.acked, Returned: c.returned, Handled: c.handled,
		Pings: c.pings, Pongs: c.pongs, Credit: c.credit, Late: c.late, Balance: c.ledger.account()}
	e.Balance.Borrowed = 0
	if err := c.ch.raw.Control(func(n uintptr) { files = append(files, int(n)) }); err != nil {
		return e, nil, &Error{Op: "export", Peer: c.peer, Err: ErrClosed}
	}
	for range len(c.inbox) { // taken out and put back, in their order: nobody else reads or writes it now
		m := <-c.inbox
		e.Inbox = append(e.Inbox, m)
		c.inbox <- m
	}
	for _, o := range c.offered {
		e.Offers = append(e.Offers, o.estate(&files))
	}
	slices.SortFunc(e.Offers, func(a, b EstateOffer) int { return cmp.Compare(a.Grants[0].Seq, b.Grants[0].Seq) })
	return e, files, nil
}

// estate is called with conn.mu held.
func (o *offer) estate(files *[]int) EstateOffer {
	e := EstateOffer{ID: o.id, First: o.first}
	for i := range o.all {
		g := &o.all[i]
		s := g.slot
		left := EstateGrant{Name: s.name, Kind: s.kind, Mode: s.mode, Access: s.access,
			FileMode: s.ident.mode, Dev: s.ident.dev, Ino: s.ident.ino, Rdev: s.ident.rdev,
			State: g.state, Parted: g.parted, Seq: g.seq(), Attempts: int(g.attempts), Latency: g.latency,
			Status: g.status, Number: g.number, Identity: g.identity, Copy: -1}
		if g.held == nil {
			_ = g.copy.Borrow(func(n int) error {
				left.Copy = len(*files)
				*files = append(*files, n)
				return nil
			})
		}
		e.Grants = append(e.Grants, left)
	}
	return e
}

// Import makes a Conn of what another one left. It takes files over and marks
// them close-on-exec; when it fails it has taken none of them. Each copy must lead
// to the inode that was offered, and all of them must add up to the ledger's
// balance. cfg is as for NewConn. The Conn is suspended: Resume reads on. The
// grants are those that nobody has closed, in the order of their offers; the
// channel's phase, numbers and credit go on where they were.
func Import(e Estate, files []int, cfg Config) (*Conn, []*Grant, error) {
	cfg = cfg.withDefaults()
	if err := e.check(files); err != nil {
		return nil, nil, &Error{Op: "import", Peer: cfg.Name, Err: err}
	}
	for _, n := range files {
		unix.CloseOnExec(n)
	}
	ch, err := openChannel(os.NewFile(uintptr(files[0]), "channel"))
	if err != nil {
		return nil, nil, &Error{Op: "import", Peer: cfg.Name, Err: err}
	}
	c := newConn(ch, cfg)
	c.phase, c.hi, c.bye, c.epoch = phase(e.Phase), e.Hello, e.Bye, e.Epoch
	c.sent, c.received, c.acked, c.returned, c.handled = e.Sent, e.Received, e.Acked, e.Returned, e.Handled
	c.pings, c.pongs, c.credit, c.late = e.Pings, e.Pongs, e.Credit, e.Late
	c.ledger.balance = e.Balance
	if c.phase != phaseNew {
		close(c.hello)
	}
	for _, m := range e.Inbox {
		c.inbox <- m
	}
	c.stood = make(chan struct{})
	close(c.stood)
	var grants []*Grant
	for i := range e.Offers {
		grants = append(grants, c.inherit(&e.Offers[i], files)...)
	}
	return c, grants, nil
}

// check compares an estate with itself and with the descriptors that came.
func (e *Estate) check(files []int) error {
	switch {
	case e.Version != estateVersion:
		return fmt.Errorf("%w: an estate of version %d, this package reads %d", ErrUnsupported, e.Version, estateVersion)
	case len(files) == 0:
		return errors.New("no channel among the descriptors")
	case e.Phase > uint8(phaseBye) || len(e.Inbox) > backlog:
		return fmt.Errorf("phase %d with %d messages", e.Phase, len(e.Inbox))
	}
	if flags, err := unix.FcntlInt(uintptr(files[0]), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
		return fmt.Errorf("descriptor %d is no channel (flags %#x, %v)", files[0], flags, err)
	}
	count := 1 // the channel, and as many as there are copies
	for i := range e.Offers {
		for j := range e.Offers[i].Grants {
			g := &e.Offers[i].Grants[j]
			if g.Copy < 0 {
				continue
			}
			if g.Copy >= len(files) {
				return fmt.Errorf("%s: descriptor %d of %d", g.Name, g.Copy, len(files))
			}
			count++
			if got, err := identify(files[g.Copy]); err != nil || !g.identity().same(got) {
				return fmt.Errorf("%s: descriptor %d leads to another file than the one offered (%v)", g.Name, files[g.Copy], err)
			}
		}
	}
	if count != len(files) || uint64(count-1) != e.Balance.Open {
		return fmt.Errorf("%d copies in the grants, %d came, the ledger has %d", count-1, len(files)-1, e.Balance.Open)
	}
	return nil
}

func (g *EstateGrant) identity() identity {
	return identity{mode: g.FileMode, dev: g.Dev, ino: g.Ino, rdev: g.Rdev}
}

// inherit books one offer and returns the grants that nobody has closed.
func (c *Conn) inherit(e *EstateOffer, files []int) []*Grant {
	o := &offer{conn: c, id: offerID(e.ID), first: e.First, all: make([]Grant, len(e.Grants)), turn: make(chan struct{})}
	close(o.turn) // nobody waits for it any more
	c.offered[o.id] = o
	copies := make([]ownCopy, len(e.Grants))
	var grants []*Grant
	for i := range e.Grants {
		left, own, g := &e.Grants[i], &copies[i], &o.all[i]
		own.slot = slot{token: o.token(i), kind: left.Kind, mode: left.Mode, access: left.Access, ident: left.identity(), name: left.Name}
		g.conn, g.offer, g.index, g.slot, g.copy = c, o, uint8(i), &own.slot, &own.fd
		g.ended.Store(true)
		g.state, g.parted, g.attempts, g.latency = left.State, left.Parted, int32(left.Attempts), left.Latency
		g.sent = &sent{seq: left.Seq}
		g.status, g.number, g.identity = left.Status, left.Number, left.Identity
		o.exclusive = left.Mode == ModeExclusive
		if why := endings[left.State]; why != nil {
			g.err = &Error{Op: "receipt of " + left.Name, Peer: c.peer, Seq: left.Seq, Err: why}
		}
		if left.Copy >= 0 {
			g.copy.Own(files[left.Copy])
		}
		if left.Parted {
			o.parted++
		} else {
			grants = append(grants, g)
		}
	}
	return grants
}

// endings are the errors of grants that ended badly.
var endings = map[State]error{StateRefused: ErrRefused, StateLost: ErrLost, StateExpired: ErrExpired, StateAborted: ErrLost}
