package scmrights

import (
	"errors"
	"os"
	"sync/atomic"

	"sallyport/internal/fd"
)

// Granted is a descriptor that was received, compared with what the parent said
// of it, and acknowledged. It is the receiver's, who has to close it, by Close or
// by that of its File. It shares offset and status flags with the parent's copy.
type Granted struct {
	Name   string
	Kind   Kind
	Mode   Mode
	Access Access

	fd   *fd.FD
	file *atomic.Pointer[os.File] // nil until somebody wants it
}

// File is the descriptor as a file, the same for every call; nil after Close,
// when there was none before. A blocking one is not put into the runtime's poller.
func (g Granted) File() *os.File {
	if f := g.file.Load(); f != nil {
		return f
	}
	if f := g.fd.File(g.Name); f != nil {
		g.file.Store(f)
	}
	return g.file.Load()
}

// Close closes the descriptor, and the File if there is one. The second call
// returns nil. A grant of which no File is wanted costs no more than that.
func (g Granted) Close() error {
	f := g.file.Load()
	if f == nil {
		return g.fd.Close()
	}
	if err := f.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
