package scmrights

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"sallyport/internal/fd"
)

// ringSize is how many grants a worker remembers. An older token than that is
// not recognised any more; a parent sends a token again within seconds.
const ringSize = 4096

// tokenRing remembers the last grants that a worker took.
type tokenRing struct {
	byToken map[token]*remembered
	order   []*remembered // as a ring once it is full
	oldest  int
}

// remembered is what a worker knows of a grant.
type remembered struct {
	token  token
	name   string
	seq    uint64 // the OFFER that brought it
	number int32
	ident  identity
	over   bool     // aborted or released: the token is forgotten
	called bool     // REVOKE named it
	file   *os.File // in ModeLend: what the plugin was given
}

func (r *tokenRing) find(t token) *remembered { return r.byToken[t] }

// add remembers a grant in the place of the oldest one.
func (r *tokenRing) add(m remembered) *remembered {
	if r.byToken == nil {
		r.byToken = make(map[token]*remembered)
	}
	if len(r.order) < ringSize {
		r.order = append(r.order, &m)
		r.byToken[m.token] = &m
		return &m
	}
	place := r.order[r.oldest]
	if r.byToken[place.token] == place {
		delete(r.byToken, place.token)
	}
	*place = m
	r.byToken[m.token] = place
	r.oldest = (r.oldest + 1) % ringSize
	return place
}

// forget ends a token: a record that names it afterwards names nothing.
func (r *tokenRing) forget(m *remembered) {
	m.over, m.file = true, nil
	delete(r.byToken, m.token)
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
// number goes when that ends (internal/poll, FD.Close).
func (m *remembered) closeLent() bool {
	if m.file == nil {
		return false
	}
	if err := m.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return true // gone all the same, close(2)
	}
	now, err := identify(int(m.number))
	return err != nil || !now.same(m.ident)
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
