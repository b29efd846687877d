package scmrights

import (
	"encoding/binary"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// offerID is the part that the tokens of an offer have in common: 12 random
// bytes, which no other offer has. The rest of a token counts from a random
// number, so that a grant is found by its token without a table of grants.
type offerID [12]byte

func (o *offer) token(i int) token {
	var t token
	copy(t[:], o.id[:])
	binary.LittleEndian.PutUint32(t[len(o.id):], o.first+uint32(i))
	return t
}

// find is the grant that t names among the offers that are not over, nil when
// there is none; c.mu is held.
func (c *Conn) find(t token) *Grant {
	o := c.offered[offerID(t[:12])]
	if o == nil {
		return nil
	}
	i := binary.LittleEndian.Uint32(t[12:]) - o.first
	if uint64(i) >= uint64(len(o.all)) || o.all[i].parted {
		return nil
	}
	return &o.all[i]
}

// drawer has random bytes in store: one getrandom(2) for many offers. Not
// crypto/rand, which links 32 MiB of zeros into every worker.
type drawer struct {
	mu    sync.Mutex
	store [256]byte
	left  int
}

// draw gives an offer the random part of its tokens.
func (d *drawer) draw(o *offer) error {
	var b [16]byte
	if err := d.read(b[:]); err != nil {
		return err
	}
	copy(o.id[:], b[:])
	o.first = binary.LittleEndian.Uint32(b[len(o.id):])
	return nil
}

// oneIn is true in one of n cases, at random, and never for n below 1. The
// worker cannot tell which: nothing that it sees comes of the same bytes.
func (d *drawer) oneIn(n int) bool {
	if n < 1 {
		return false
	}
	var b [4]byte
	if d.read(b[:]) != nil {
		return true
	}
	return binary.LittleEndian.Uint32(b[:])%uint32(n) == 0
}

func (d *drawer) read(b []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left < len(b) {
		// Up to 256 bytes come whole and are not interrupted, getrandom(2).
		if _, err := unix.Getrandom(d.store[:], 0); err != nil {
			return os.NewSyscallError("getrandom", err)
		}
		d.left = len(d.store)
	}
	d.left -= len(b)
	copy(b, d.store[d.left:])
	clear(d.store[d.left : d.left+len(b)])
	return nil
}
