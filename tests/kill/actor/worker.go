package main

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/fault"
	"sallyport/pkg/scmrights"
	"sallyport/tests/kill/wire"
)

// take is one life of a worker: it attaches, takes what is offered, says so
// when all is there, and at the end of the channel closes everything.
func take(o wire.Order) (answer wire.Answer) {
	answer.Say = wire.SayOver
	fail := func(err error) {
		if err != nil {
			answer.Failed += err.Error() + "; "
		}
	}
	own, err := fetch(o.PID, o.Channel)
	if err != nil {
		fail(err)
		return answer
	}
	if err := unix.SetNonblock(own[0], true); err != nil {
		fail(os.NewSyscallError("fcntl(F_SETFL)", err))
		fail(unix.Close(own[0]))
		return answer
	}
	say(wire.Answer{Say: wire.SayTaken})
	peer, err := scmrights.Attach(os.NewFile(uintptr(own[0]), "channel"))
	if err != nil {
		if !gone(err) {
			fail(err)
		}
		return answer
	}
	if o.Narrow > 0 {
		widen, err := narrow(o.Narrow - 1)
		fail(err)
		defer widen()
	}
	ctx, cancel := waits(o)
	defer cancel()
	var files []*os.File
	for {
		if fault.On("deaf") {
			time.Sleep(stuckAfter) // on purpose: it reads nothing
		}
		e, err := peer.Receive(ctx)
		if err != nil {
			if err != io.EOF {
				fail(err)
			}
			break
		}
		for _, g := range e.Grants {
			files = append(files, g.File())
			answer.Got = append(answer.Got, look(g))
		}
		if len(e.Grants) != 0 && len(answer.Got) == o.Want {
			say(wire.Answer{Say: wire.SayGot, Got: answer.Got})
		}
	}
	for _, f := range files {
		if fault.On("forget") {
			continue // on purpose: it stays open
		}
		if err := f.Close(); !errors.Is(err, os.ErrClosed) { // lent, revoked, and closed by the library
			fail(err)
		}
	}
	fail(peer.Close())
	return answer
}

// gone says that the parent was before HELLO was answered, in any form.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE)
}

func look(g scmrights.Granted) wire.Got {
	got := wire.Got{Name: g.Name, Number: -1}
	raw, err := g.File().SyscallConn()
	if err != nil {
		return got
	}
	_ = raw.Control(func(n uintptr) {
		var st unix.Stat_t
		if unix.Fstat(int(n), &st) == nil {
			got.Number, got.Dev, got.Ino = int(n), uint64(st.Dev), st.Ino
		}
	})
	return got
}

// narrow leaves this process so many free numbers of descriptors, until the first
// record after WELCOME was received: one that carries more is cut by the kernel.
// Then, or when widen is called, it has as many as before.
func narrow(free int) (widen func(), err error) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		return func() {}, os.NewSyscallError("getrlimit", err)
	}
	lowest, err := unix.FcntlInt(wire.ControlFD, unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return func() {}, os.NewSyscallError("fcntl", err)
	}
	if err := unix.Close(lowest); err != nil {
		return func() {}, os.NewSyscallError("close", err)
	}
	limit := before
	limit.Cur = uint64(lowest + free)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return func() {}, os.NewSyscallError("setrlimit", err)
	}
	received := fault.Hits("W3")
	over, widened := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(widened)
		for tick := time.NewTicker(time.Millisecond); fault.Hits("W3") == received; {
			select {
			case <-over:
				tick.Stop()
				_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &before)
				return
			case <-tick.C:
			}
		}
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &before) // it was valid before
	}()
	return sync.OnceFunc(func() { close(over); <-widened }), nil
}
