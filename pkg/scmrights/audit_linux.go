package scmrights

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Audit is what an Auditor found: how many descriptors the accounts have, and
// every difference from what the kernel shows, in words.
type Audit struct {
	Held        int // copies in the ledgers, each seen open and leading to the inode that was offered
	Borrowed    int // Held items of which there are grants, likewise; those that were closed are left out
	Pipes       int // ends of receipt pipes, likewise
	Queued      int // descriptors in the queues of the channels, as far as /proc shows the workers' ends
	Differences []string
}

// Balanced says that nothing differs.
func (a *Audit) Balanced() bool { return len(a.Differences) == 0 }

// Auditor compares the ledgers of Conns with /proc. What it takes for granted
// are the descriptors that this process had when it was made; all others must
// be in an account: a copy, an end of a receipt pipe, or a channel. So it is for
// programs, and tests, that open nothing beside their Conns, or make a new
// Auditor when they have.
type Auditor struct {
	conns  []*Conn
	before map[int]string // number -> link
}

// looks is how often a difference has to be seen to count: between two system
// calls a descriptor can be open that is not booked yet, or not any more.
const looks = 3

// NewAuditor notes the descriptors of this process and the Conns to be audited.
func NewAuditor(conns ...*Conn) (*Auditor, error) {
	table, err := ownLinks()
	if err != nil {
		return nil, &Error{Op: "audit", Err: err}
	}
	booked, err := accounts(conns)
	if err != nil {
		return nil, &Error{Op: "audit", Err: err}
	}
	for _, e := range booked {
		if e.grant == nil || e.grant.held == nil { // those stay open when the grants are over
			delete(table, e.number)
		}
	}
	return &Auditor{conns: conns, before: table}, nil
}

// Audit compares at this moment. It may be called while descriptors are on
// their way. The error is of /proc; differences are no error.
func (a *Auditor) Audit() (Audit, error) {
	var found Audit
	for look := range looks {
		now, err := a.look()
		if err != nil {
			return now, &Error{Op: "audit", Err: err}
		}
		if look > 0 {
			now.Differences = slices.DeleteFunc(now.Differences, func(d string) bool { return !slices.Contains(found.Differences, d) })
		}
		if found = now; found.Balanced() {
			break
		}
	}
	return found, nil
}

// entry is one descriptor that is booked.
type entry struct {
	number int
	what   string
	grant  *Grant // whose copy it is; nil for pipes and channels
	pipe   bool
	spare  bool // of a pipe that no offer has yet
}

// accounts lists what the Conns say that they have open.
func accounts(conns []*Conn) ([]entry, error) {
	var all []entry
	seen := map[*Held]bool{} // several grants, of several Conns, can be of one
	for _, c := range conns {
		err := c.ch.raw.Control(func(n uintptr) { all = append(all, entry{number: int(n), what: "the channel of " + c.peer}) })
		if err != nil && !errors.Is(rawError(err), ErrClosed) {
			return nil, err
		}
		c.mu.Lock()
		if p := c.spare; p != nil {
			for i, n := range p.numbers {
				all = append(all, entry{number: n - 1, what: fmt.Sprintf("end %d of a spare receipt pipe", i), pipe: true, spare: true})
			}
		}
		var offers []*offer
		for _, o := range c.offered {
			offers = append(offers, o)
			for i, n := range o.pipes {
				if n > 0 {
					all = append(all, entry{number: n - 1, what: fmt.Sprintf("end %d of a receipt pipe", i), pipe: true})
				}
			}
		}
		c.mu.Unlock()
		for _, o := range offers {
			for i := range o.all {
				g := &o.all[i]
				if g.held != nil {
					if seen[g.held] {
						continue
					}
					seen[g.held] = true
				}
				_ = g.copy.Borrow(func(n int) error {
					all = append(all, entry{number: n, what: g.slot.name, grant: g})
					return nil
				})
			}
		}
	}
	return all, nil
}

func (a *Auditor) look() (Audit, error) {
	var found Audit
	differ := func(format string, args ...any) {
		found.Differences = append(found.Differences, fmt.Sprintf(format, args...))
	}
	booked, err := accounts(a.conns)
	if err != nil {
		return found, err
	}
	table, err := ownLinks()
	if err != nil {
		return found, err
	}
	owners := map[int]entry{}
	for _, e := range booked {
		if other, taken := owners[e.number]; taken {
			differ("descriptor %d is booked twice: %s, %s", e.number, other.what, e.what)
		}
		owners[e.number] = e
		switch {
		case e.spare:
		case e.pipe:
			found.Pipes++
		case e.grant != nil && e.grant.held != nil:
			found.Borrowed++
		case e.grant != nil:
			found.Held++
		}
		if why := e.check(); why != "" {
			differ("%s, descriptor %d: %s", e.what, e.number, why)
		}
	}
	for n, link := range table {
		if _, known := owners[n]; !known && a.before[n] != link {
			differ("descriptor %d (%s) is in no account%s", n, link, secondOf(n, booked))
		}
	}
	reserved := 0
	for _, c := range a.conns {
		c.checkSums(differ, found.Held, len(a.conns))
		queued, err := c.queued()
		if err != nil {
			return found, err
		}
		found.Queued += queued
		reserved += c.onTheirWay()
	}
	if found.Queued > reserved {
		differ("%d descriptors are in queues, at most %d are on their way", found.Queued, reserved)
	}
	return found, nil
}

// onTheirWay is the most that can be in the worker's queue.
func (c *Conn) onTheirWay() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.slots + c.offers
}

// check compares one entry with the kernel.
func (e *entry) check() string {
	ident, err := identify(e.number)
	switch {
	case err != nil:
		return "booked as open, and " + err.Error()
	case e.pipe && ident.mode&unix.S_IFMT != unix.S_IFIFO,
		e.grant == nil && !e.pipe && ident.mode&unix.S_IFMT != unix.S_IFSOCK,
		e.grant != nil && !e.grant.slot.ident.same(ident):
		return fmt.Sprintf("it leads to another file (st_mode %#o)", ident.mode)
	}
	return ""
}

// secondOf says of which copy a descriptor without an account is another one.
func secondOf(n int, booked []entry) string {
	for _, e := range booked {
		if e.grant == nil {
			continue
		}
		if same, err := sameOpenFile(n, e.number); err == nil && same {
			return ": a second copy of " + e.what
		}
	}
	return ""
}

// checkSums compares a ledger's counts with each other and with its offers.
func (c *Conn) checkSums(differ func(string, ...any), held, conns int) {
	b := c.ledger.account()
	if b.Taken != b.Open+b.Closed+b.Reclaimed {
		differ("the ledger of %s: %d taken, %d open, %d closed, %d reclaimed", c.peer, b.Taken, b.Open, b.Closed, b.Reclaimed)
	}
	if conns == 1 && b.Open != uint64(held) {
		differ("the ledger of %s: %d open, its grants have %d", c.peer, b.Open, held)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	open, offers, borrowed := 0, 0, uint64(0)
	for _, o := range c.offered {
		if open += o.open; o.open > 0 {
			offers++
		}
		for i := range o.all {
			if o.all[i].held != nil && !o.all[i].parted {
				borrowed++
			}
		}
	}
	if b.Borrowed != borrowed {
		differ("the ledger of %s: %d borrowed, its grants have %d", c.peer, b.Borrowed, borrowed)
	}
	if open != c.slots || offers != c.offers {
		differ("%s: %d slots of %d offers are reserved, %d of %d are on their way", c.peer, c.slots, c.offers, open, offers)
	}
}

// queued is how many descriptors are in the receive queues of the sockets of
// the worker, by the scm_fds of its fdinfo. A worker that cannot be looked at
// has none as far as is known.
func (c *Conn) queued() (int, error) {
	dir := "/proc/self"
	if c.cfg.PID != 0 {
		dir = "/proc/" + strconv.Itoa(c.cfg.PID)
	}
	names, err := os.ReadDir(dir + "/fdinfo")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	sum := 0
	for _, name := range names {
		sum += scmFDs(dir + "/fdinfo/" + name.Name())
	}
	return sum, nil
}

// scmFDs reads one line of an fdinfo (unix_show_fdinfo in net/unix/af_unix.c,
// Linux 5.6).
func scmFDs(path string) int {
	f, err := os.Open(path)
	if err != nil {
		return 0 // closed meanwhile
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), "scm_fds:"); found {
			n, _ := strconv.Atoi(strings.TrimSpace(value))
			return n
		}
	}
	return 0
}

// ownLinks is the table of this process: what /proc calls each descriptor.
func ownLinks() (map[int]string, error) {
	numbers, err := ownTable()
	if err != nil {
		return nil, err
	}
	table := make(map[int]string, len(numbers))
	for _, n := range numbers {
		if link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(n)); err == nil {
			table[n] = link // else it was the table's own
		}
	}
	return table, nil
}
