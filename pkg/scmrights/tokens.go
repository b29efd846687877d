package scmrights

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"sallyport/internal/fd"
)

// ringSize is how many grants a worker remembers. An older token than that is
// not recognised any more; a parent sends a token again within seconds.
const ringSize = 4096

// tokenRing remembers the last grants that a worker took. It finds a token in a
// table of its own: a map of so many, most of them not in the cache, was half of
// what a worker did for a descriptor beside system calls.
type tokenRing struct {
	chains []*remembered // by tokenRing.chain
	order  []*remembered // as a ring once it is full
	oldest int
}

// remembered is what a worker knows of a grant.
type remembered struct {
	token  token
	next   *remembered // of its chain
	name   string
	seq    uint64 // the OFFER that brought it
	number int32
	ident  identity
	over   bool     // aborted or released: the token is forgotten, and in no chain
	called bool     // REVOKE named it
	file   *os.File // in ModeLend: what the plugin was given
}

// chain is where t is, if anywhere. Tokens are random, or count from a random
// one; they are the parent's, which is trusted not to choose bad ones.
func (r *tokenRing) chain(t *token) **remembered {
	le := binary.LittleEndian
	mixed := (le.Uint64(t[:]) ^ le.Uint64(t[8:])) * 0x9e3779b97f4a7c15 // 2^64 by the golden ratio
	return &r.chains[mixed>>52]
}

func (r *tokenRing) find(t token) *remembered {
	if r.chains == nil {
		return nil
	}
	m := *r.chain(&t)
	for m != nil && m.token != t {
		m = m.next
	}
	return m
}

// add remembers a grant in the place of the oldest one; nil when there is one
// with this token.
func (r *tokenRing) add(t token) *remembered {
	if r.chains == nil {
		r.chains = make([]*remembered, ringSize)
	}
	if r.find(t) != nil {
		return nil
	}
	var place *remembered
	if len(r.order) < ringSize {
		place = &remembered{}
		r.order = append(r.order, place)
	} else {
		place = r.order[r.oldest]
		r.oldest = (r.oldest + 1) % ringSize
		r.forget(place)
		*place = remembered{}
	}
	place.token = t
	head := r.chain(&t)
	place.next, *head = *head, place
	return place
}

// forget ends a token: a record that names it afterwards names nothing.
func (r *tokenRing) forget(m *remembered) {
	if m.over {
		return
	}
	at := r.chain(&m.token)
	for *at != m {
		at = &(*at).next
	}
	*at = m.next
	m.over, m.next, m.file = true, nil, nil
}

// where returns those that fit, in the order in which they came.
func (r *tokenRing) where(fits func(*remembered) bool) []*remembered {
	var found []*remembered
	for i := range r.order {
		if m := r.order[(r.oldest+i)%len(r.order)]; !m.over && fits(m) {
			found = append(found, m)
		}
	}
	return found
}

// closeLent closes the file of a grant that was lent and says whether the
// descriptor is gone. It is not while somebody is blocked in a read of it: the
// number goes when that ends (internal/poll, FD.Close). So the number is looked
// at: what leads to the same inode there is taken for it, unless it came later.
func (r *tokenRing) closeLent(m *remembered) bool {
	if m.file == nil {
		return false
	}
	err := m.file.Close()
	now, gone := identify(int(m.number))
	if gone != nil || !now.same(m.ident) {
		return true
	}
	return errors.Is(err, os.ErrClosed) && r.reused(m)
}

// reused says that a later grant came under the number of m.
func (r *tokenRing) reused(m *remembered) bool {
	return len(r.where(func(other *remembered) bool { return other.number == m.number && other.seq > m.seq })) > 0
}

// waiting is a grant in ModeExclusive whose COMMIT has not come.
type waiting struct {
	seq   uint64
	slot  slot
	fd    *fd.FD
	known *remembered
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
