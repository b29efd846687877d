package scmrights_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
)

// What the store says in messages. It keeps what it is granted by name.
const (
	saysGot     = 1 // the name, and what a read of it gave
	saysRevoked = 2
	saysTable   = 3 // how many descriptors it has open
)

// What it can be told.
const (
	askTable   = 1
	askClose   = 2 // close all and say so
	askRelease = 3 // say that all that were revoked are released
	askQuiet   = 4 // no more saysGot
)

// store is an honest worker on a Peer.
func store() error {
	p, err := attach()
	if err != nil {
		return err
	}
	held := map[string]*os.File{}
	quiet := false
	var revoked []string
	var mute error
	say := func(kind uint16, text string) {
		if _, err := p.Send(kind, []byte(text)); err != nil {
			mute = err
		}
	}
	for mute == nil {
		e, err := p.Receive(context.Background())
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for _, g := range e.Grants {
			if old := held[g.Name]; old != nil {
				old.Close()
			}
			held[g.Name] = g.File()
			if !quiet {
				text := make([]byte, 32)
				n, _ := g.File().ReadAt(text, 0)
				say(saysGot, g.Name+"="+string(text[:n]))
			}
		}
		for _, name := range e.Revoked {
			held[name].Close()
			delete(held, name)
			revoked = append(revoked, name)
			say(saysRevoked, name)
		}
		if e.Message == nil {
			continue
		}
		switch e.Message.Kind {
		case askTable:
			table, err := testenv.Descriptors()
			if err != nil {
				return err
			}
			say(saysTable, fmt.Sprint(len(table)))
		case askClose:
			for name, f := range held {
				f.Close()
				if err := p.Released(name); err != nil {
					return err
				}
			}
			clear(held)
			say(saysTable, "")
		case askRelease:
			if err := p.Released(revoked...); err != nil {
				return err
			}
			revoked = nil
		case askQuiet:
			quiet = true
		}
	}
	return mute
}

const trickVariable = "SCMRIGHTS_TEST_TRICK"

// trick is a worker that does one forbidden thing, by hand. It takes OFFERs,
// answers each as its trick wants, and tells in a message what came after.
func trick() error {
	h := &hand{seq: 1}
	if err := h.send(frame(1, 0, 1, 0, hello)); err != nil {
		return err
	}
	what := os.Getenv(trickVariable)
	for {
		b, rights, err := h.receive()
		if err != nil || len(b) == 0 {
			return err
		}
		switch b[5] {
		case 2: // WELCOME
		case 3:
			err = h.answer(what, b, rights)
		case 4, 5: // COMMIT, ABORT
			err = h.say(b[5])
		case 6: // REVOKE
			err = h.revoked(what, b)
		}
		if err == unix.EPIPE {
			return nil // it was found out
		}
		if err != nil {
			return err
		}
	}
}

// hand is the worker's end of a channel, without the package.
type hand struct {
	seq  uint64 // the last record sent
	held []int
}

func (h *hand) send(b []byte) error { return unix.Sendmsg(3, b, nil, nil, unix.MSG_NOSIGNAL) }

func (h *hand) say(kind byte) error {
	h.seq++
	return h.send(frame(16, 1, h.seq, 1, []byte{kind, 0, 0, 0}))
}

func (h *hand) receive() ([]byte, []int, error) {
	buf, control := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4*253))
	n, oobn, _, _, err := unix.Recvmsg(3, buf, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, nil, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:oobn])
	if err != nil || len(messages) == 0 {
		return buf[:n], nil, err
	}
	rights, err := unix.ParseUnixRights(&messages[0])
	return buf[:n], rights, err
}

func (h *hand) answer(what string, b []byte, rights []int) error {
	pipe, rights := rights[len(rights)-1], rights[:len(rights)-1]
	h.held = rights
	numbers := append([]int(nil), rights...)
	switch what {
	case "number of nothing":
		numbers[0] = 200
	case "number of another":
		numbers[0] = 2
	case "closed before the receipt":
		unix.Close(rights[0])
	case "reopened":
		// Another open file description of the same inode, the case that
		// fstat cannot tell.
		n, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", rights[0]), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		numbers[0] = n
	case "dies":
		os.Exit(0)
	}
	r := receipt(0, binary.LittleEndian.Uint64(b[16:]), make([]uint16, len(rights))...)
	binary.LittleEndian.PutUint32(r[8:], 1) // the epoch of these tests
	for i, n := range numbers {
		binary.LittleEndian.PutUint32(r[20+8*i+4:], uint32(n))
	}
	if what == "short receipt" {
		r = []byte{6}
	}
	if _, err := unix.Write(pipe, r); err != nil {
		return err
	}
	unix.Close(pipe)
	if what == "does not read" {
		time.Sleep(time.Hour) // until it is killed
	}
	return nil
}

func (h *hand) revoked(what string, b []byte) error {
	token := b[32:48]
	released := func(times int) error {
		for range times {
			h.seq++
			r := frame(7, 1, h.seq, 1, append(append([]byte(nil), token...), make([]byte, 80)...))
			r[6], r[12] = 1, 0
			if err := h.send(r); err != nil {
				return err
			}
		}
		return h.say(7)
	}
	switch what {
	case "never releases":
		return nil
	case "releases and keeps":
		return released(1)
	case "releases twice":
		unix.Close(h.held[0])
		return released(2)
	}
	unix.Close(h.held[0])
	return released(1)
}
