package scmrights_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// TestSendKeepsNumbers: a file that is closed while its packet waits for room is
// sent all the same; its number is nobody else's before.
func TestSendKeepsNumbers(t *testing.T) {
	forKinds(t, func(t *testing.T, typ int) {
		testenv.CheckFDs(t)
		fa, fb := filePair(t, typ)
		a, b := open(t, fa), open(t, fb)
		fill(t, fa, fb)
		f := memfd(t, "the one")
		n := number(t, f)
		sent := make(chan error, 1)
		go func() {
			_, err := a.Send(packet("waits", f, memfd(t, "another")))
			sent <- err
		}()
		select {
		case err := <-sent:
			t.Fatalf("there was room: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		must(t, f.Close())
		for range 4 { // takes the lowest number that is free
			if taken := number(t, memfd(t, "not the one")); taken == n {
				t.Errorf("number %d is free while it waits to be sent", n)
			}
		}
		must(t, b.SetReadDeadline(time.Now().Add(waitLong)))
		for {
			_, d, err := receiveText(b, 1024, 2)
			must(t, err)
			if len(d.Files) == 2 {
				checkMemfd(t, d.Files[0], "the one")
				checkMemfd(t, d.Files[1], "another")
				break
			}
		}
		must(t, <-sent)
		if _, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); err != unix.EBADF {
			t.Errorf("number %d is still open: %v", n, err)
		}
	})
}

// TestDeadlinesOnBlockingDescription: another holder of the open file description
// makes it blocking, as (*os.File).Fd does; the deadlines hold all the same.
func TestDeadlinesOnBlockingDescription(t *testing.T) {
	forKinds(t, func(t *testing.T, typ int) {
		fa, fb := filePair(t, typ)
		a := open(t, fa)
		fill(t, fa, fb)
		empty, _ := filePair(t, typ)
		e := open(t, empty)
		for _, f := range []*os.File{fa, empty} {
			must(t, unix.SetNonblock(number(t, f), false))
		}
		calls := map[string]func() error{
			"Send":    func() error { _, err := a.Send(packet("x")); return err },
			"Receive": func() error { _, _, err := receiveText(e, 8, 1); return err },
		}
		if typ != unix.SOCK_STREAM {
			calls["SendBatch"] = func() error { _, err := a.SendBatch([]scmrights.Packet{packet("x"), packet("y")}); return err }
			calls["ReceiveBatch"] = func() error {
				_, err := e.ReceiveBatch([]scmrights.Room{{Data: [][]byte{make([]byte, 1)}}})
				return err
			}
		}
		for name, call := range calls {
			deadline := time.Now().Add(20 * time.Millisecond)
			must(t, a.SetWriteDeadline(deadline))
			must(t, e.SetReadDeadline(deadline))
			done := make(chan error, 1)
			go func() { done <- call() }()
			select {
			case err := <-done:
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: %v", name, err)
				}
			case <-time.After(waitLong):
				t.Errorf("%s blocks its thread", name)
				// Wake it, so that its goroutine ends.
				must(t, unix.Shutdown(number(t, fa), unix.SHUT_RDWR))
				must(t, unix.Shutdown(number(t, empty), unix.SHUT_RDWR))
				<-done
			}
		}
	})
}
