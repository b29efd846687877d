package scmrights

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/fd"
)

// Config says how a parent treats the worker at the other end. The zero value
// is usable: it accepts records of any process and demands no proof.
type Config struct {
	Name  string // names the worker in errors; "pid N" when empty
	PID   int    // the worker's process: a record that another process sent is a fault; 0 accepts any
	Proof int    // the least Proof.Level that an offer must come with
	// ProofExclusive is the same for an offer in ModeExclusive, where it is more.
	ProofExclusive int

	// Credit is how many descriptors a worker has room for that says no HELLO; 0 is
	// not known. HELLO and CREDIT replace it.
	Credit int

	// PidFD is a pidfd of the worker's process, borrowed until Close. With it
	// the parent can look at the worker's copies (pidfd_getfd(2), Linux 5.6,
	// with the rights to trace the worker). ModeExclusive needs it.
	PidFD *os.File
	// Compare makes the parent look at one in so many grants of the other
	// modes, at random; 1 is all, 0 none. It is for workers that keep what they
	// are granted: one that closes a descriptor at once and gets its number
	// again for another file is taken for a liar.
	Compare int

	SendTimeout    time.Duration // how long a send may wait for a worker that does not read; 0 is 1 s
	ReceiptTimeout time.Duration // how long a worker may take to write a receipt; 0 is 5 s
	Resends        int           // how often a lost descriptor is sent again to a living worker; 0 is 3, negative is never
	Window         int           // how many offers may wait for their receipts at once; 0 is 32
	CommitTimeout  time.Duration // how long the steps from receipt to COMMIT may take in ModeExclusive; 0 is 5 s
	RevokeTimeout  time.Duration // how long a worker may take to release what is revoked; 0 is 2 s
	Budget         *Budget       // shared with other Conns, bounds what is on its way; nil is no bound

	// OnFault is called once, from a goroutine of the Conn, when the worker
	// broke the protocol, lied about a descriptor (ErrForged), kept a revoked one
	// (ErrKept), or could not be made the only holder (ErrShared): it is to be
	// ended. OnFault must neither block nor call Close.
	OnFault func(error)
	Clock   Clock // nil is the system's
}

const (
	defaultSendTimeout    = time.Second
	defaultReceiptTimeout = 5 * time.Second
	defaultCommitTimeout  = 5 * time.Second
	defaultRevokeTimeout  = 2 * time.Second
	defaultResends        = 3
	defaultWindow         = 32

	// backlog is how many messages of a worker wait for Receive before the
	// Conn stops reading, and with the full socket the worker stops sending.
	backlog = 64
)

func (c Config) withDefaults() Config {
	if c.Name == "" && c.PID != 0 {
		c.Name = fmt.Sprintf("pid %d", c.PID)
	}
	if c.SendTimeout <= 0 {
		c.SendTimeout = defaultSendTimeout
	}
	if c.ReceiptTimeout <= 0 {
		c.ReceiptTimeout = defaultReceiptTimeout
	}
	if c.CommitTimeout <= 0 {
		c.CommitTimeout = defaultCommitTimeout
	}
	if c.RevokeTimeout <= 0 {
		c.RevokeTimeout = defaultRevokeTimeout
	}
	if c.Resends == 0 {
		c.Resends = defaultResends
	}
	if c.Window <= 0 {
		c.Window = defaultWindow
	}
	if c.Clock == nil {
		c.Clock = systemClock{}
	}
	return c
}

// phase is how far the acquaintance is.
type phase uint8

const (
	phaseNew     phase = iota // nothing but HELLO may come
	phaseHello                // HELLO is in; nothing may come until WELCOME is out
	phaseWelcome              // everything else may come
	phaseBye                  // nothing may come
)

// Conn is the parent's end of a channel. Its methods may be called from several
// goroutines.
type Conn struct {
	cfg    Config
	peer   string
	ch     *channel
	ledger ledger
	tokens drawer

	ctx    context.Context // ended by Close: wakes everything that waits
	cancel context.CancelFunc
	wg     sync.WaitGroup // the reader, and one goroutine an offer

	sending chan struct{} // holds one token while a record is being sent
	out     []byte        // the record being sent, and what it carries
	lent    []*fd.FD
	numbers []int
	rights  []byte

	hello chan struct{} // closed when HELLO is in
	inbox chan Message
	ended chan struct{} // closed when nothing more will be read

	mu       sync.Mutex
	closing  bool
	closed   bool  // nothing may be sent any more
	end      error // why nothing more will be read; io.EOF, a fault, or ErrClosed
	phase    phase
	hi       Hello  // what HELLO said
	bye      uint32 // the reason that BYE gave
	epoch    uint32
	sent     uint64 // seq of the last record sent
	received uint64 // seq of the last record received
	acked    uint64 // the worker acted on our records up to this one
	returned uint64 // Receive has returned the messages up to this one
	handled  uint64 // the caller has acted on the messages up to this one: the ack of our records
	pings    uint64 // nonce of the last PING
	pongs    uint64 // nonce of the last PONG
	credit   int    // slots the worker has room for, -1 when it does not say
	credits  chan struct{}
	offers   int // waiting for receipts, and their slots
	slots    int
	offered  map[offerID]*offer
	spare    *receiptPipe // of the next offer; nil when none was made
	recalls  map[*recall]struct{}
	stood    chan struct{} // from Suspend to Resume; closed when the reader has ended
	late     uint64        // RELEASED words about grants that are not the worker's to release any more
}

// NewConn takes the parent's end of a channel and starts to read it.
func NewConn(parent *os.File, cfg Config) (*Conn, error) {
	cfg = cfg.withDefaults()
	ch, err := openChannel(parent)
	if err != nil {
		return nil, &Error{Op: "open", Peer: cfg.Name, Err: err}
	}
	// Pair did so already, before anybody could send; this is for pairs of other makers.
	if err := ch.setOption("SO_PASSCRED", unix.SO_PASSCRED, 1); err != nil {
		_ = ch.close()
		return nil, &Error{Op: "open", Peer: cfg.Name, Err: err}
	}
	_ = ch.setOption("SO_PASSRIGHTS", unix.SO_PASSRIGHTS, 0)

	c := newConn(ch, cfg)
	c.wg.Add(1)
	go c.read()
	return c, nil
}

// newConn makes a Conn that nobody reads yet.
func newConn(ch *channel, cfg Config) *Conn {
	c := &Conn{
		cfg: cfg, peer: cfg.Name, ch: ch,
		sending: make(chan struct{}, 1),
		hello:   make(chan struct{}),
		inbox:   make(chan Message, backlog),
		ended:   make(chan struct{}),
		credit:  firstCredit(cfg.Credit),
		credits: make(chan struct{}),
		numbers: make([]int, 0, MaxSlots+1),
		offered: make(map[offerID]*offer),
		recalls: make(map[*recall]struct{}),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// firstCredit is -1 for a worker of which nothing is known.
func firstCredit(known int) int {
	if known <= 0 {
		return -1
	}
	return known
}

// Hello waits for the worker's HELLO. A worker that speaks no version in common
// is an ErrUnsupported.
func (c *Conn) Hello(ctx context.Context) (Hello, error) {
	select {
	case <-c.hello:
	case <-ctx.Done():
		return Hello{}, &Error{Op: "hello", Peer: c.peer, Err: ctx.Err()}
	case <-c.ended:
		select {
		case <-c.hello:
		default:
			return Hello{}, c.whyEnded("hello")
		}
	}
	c.mu.Lock()
	h := c.hi
	c.mu.Unlock()
	if h.Low > frameVersion || h.High < frameVersion {
		return h, &Error{Op: "hello", Peer: c.peer, Err: fmt.Errorf("%w: the worker speaks versions %d to %d, this side %d", ErrUnsupported, h.Low, h.High, frameVersion)}
	}
	return h, nil
}

// Receive returns the next message of the worker. At the end of the channel it
// returns io.EOF; when the worker broke the protocol, an *Error that wraps
// ErrProtocol and names the fault. Messages that came before are returned first.
func (c *Conn) Receive(ctx context.Context) (Message, error) {
	select {
	case m := <-c.inbox:
		return c.hand(m), nil
	default:
	}
	select {
	case m := <-c.inbox:
		return c.hand(m), nil
	case <-ctx.Done():
		return Message{}, &Error{Op: "receive", Peer: c.peer, Err: ctx.Err()}
	case <-c.ended:
	}
	select {
	case m := <-c.inbox:
		return c.hand(m), nil
	default:
		return Message{}, c.whyEnded("receive")
	}
}

func (c *Conn) hand(m Message) Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.returned = max(c.returned, m.Seq)
	return m
}

// whyEnded is io.EOF as it is, and every other end as an *Error.
func (c *Conn) whyEnded(op string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end == io.EOF {
		return io.EOF
	}
	if _, typed := c.end.(*Error); typed {
		return c.end
	}
	return &Error{Op: op, Peer: c.peer, Err: c.end}
}

// Ledger is the account of the descriptors that this Conn was given.
func (c *Conn) Ledger() Balance { return c.ledger.account() }

// Acked is the highest number of a record of ours that the worker has acted on.
func (c *Conn) Acked() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acked
}

// Late counts the worker's words about grants that it could not release: ended
// ones, released ones, and tokens of no offer. They are ignored.
func (c *Conn) Late() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.late
}

// Bye tells a worker that took its leave from one that died: said is true when
// BYE was in, and reason is what it gave, 0 when it had none. It is meant for
// after the end of the channel.
func (c *Conn) Bye() (reason uint32, said bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bye, c.phase == phaseBye
}

// Close says BYE if there is room, ends the channel, waits for the goroutines,
// and closes every descriptor that is still held. Grants without a receipt have
// expired: nobody knows whether the worker has read them. Delivered ones are
// orphaned. The second call returns nil.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		c.wg.Wait()
		return nil
	}
	c.closing = true
	alive := c.end == nil && c.phase == phaseWelcome
	c.mu.Unlock()
	if alive {
		_, _ = c.transmit(outgoing{op: "bye", kind: typeBye, payload: encodeUint32(0), limit: -1})
	}
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.finish(ErrClosed)
	c.cancel()
	err := c.ch.close()
	c.wg.Wait()
	c.takeSpare().close()
	if dropErr := c.ledger.dropAll(c.orphan()); err == nil {
		err = dropErr
	}
	if err != nil {
		return &Error{Op: "close", Peer: c.peer, Err: err}
	}
	return nil
}

// orphan ends what the worker had, and returns the offers, which are over.
func (c *Conn) orphan() []*offer {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*offer
	for _, o := range c.offered {
		for i := range o.all {
			o.all[i].step(StateOrphaned)
		}
		all = append(all, o)
	}
	clear(c.offered)
	for r := range c.recalls {
		r.stop()
	}
	return all
}
