package scmrights_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// listed are the errnos of the ERRORS sections of send(2) and unix(7), and of
// FreeBSD's sendmmsg(2), with what a Socket says to each.
var listed = map[unix.Errno]error{
	unix.EACCES: scmrights.ErrDenied, unix.EPERM: scmrights.ErrDenied,
	unix.EAGAIN: scmrights.ErrBlocked, // EWOULDBLOCK is the same number
	unix.EINTR:  scmrights.ErrInterrupted, unix.EBADF: scmrights.ErrBadFile,
	unix.ECONNRESET: scmrights.ErrPeerGone, unix.EPIPE: scmrights.ErrPeerGone,
	unix.EDESTADDRREQ: scmrights.ErrNotConnected, unix.ENOTCONN: scmrights.ErrNotConnected,
	unix.EISCONN: scmrights.ErrConnected, unix.EFAULT: scmrights.ErrInvalid, unix.EINVAL: scmrights.ErrInvalid,
	unix.EMSGSIZE: scmrights.ErrTooLong, unix.ENOTSOCK: scmrights.ErrNotSocket,
	unix.ENOBUFS: scmrights.ErrNoMemory, unix.ENOMEM: scmrights.ErrNoMemory, unix.ENFILE: scmrights.ErrNoMemory, unix.EADDRINUSE: scmrights.ErrNoMemory,
	unix.EOPNOTSUPP: scmrights.ErrUnsupported, unix.ECONNREFUSED: scmrights.ErrNobody, unix.ENOENT: scmrights.ErrNobody,
	unix.EPROTOTYPE: scmrights.ErrWrongType, unix.EPROTONOSUPPORT: scmrights.ErrWrongType, unix.ESOCKTNOSUPPORT: scmrights.ErrWrongType,
	unix.ESRCH: scmrights.ErrNoProcess, unix.ETOOMANYREFS: scmrights.ErrInFlight,
	unix.EALREADY: scmrights.ErrNetwork, unix.EHOSTUNREACH: scmrights.ErrNetwork, unix.EHOSTDOWN: scmrights.ErrNetwork,
	unix.ENETDOWN: scmrights.ErrNetwork, unix.EADDRNOTAVAIL: scmrights.ErrNetwork,
	// Of path_resolution(7), for an address:
	unix.ENOTDIR: scmrights.ErrNobody, unix.ELOOP: scmrights.ErrInvalid, unix.ENAMETOOLONG: scmrights.ErrInvalid,
}

// TestErrnosHaveAnswers: every listed errno has one, and stays visible in it.
func TestErrnosHaveAnswers(t *testing.T) {
	for errno, wants := range listed {
		if err := scmrights.AnswerTo(errno); !errors.Is(err, wants) || !errors.Is(err, errno) {
			t.Errorf("%s: %v, want %v", unix.ErrnoName(errno), err, wants)
		}
	}
	if err := scmrights.AnswerTo(unix.EXDEV); !errors.Is(err, unix.EXDEV) {
		t.Errorf("an errno that is not listed: %v", err)
	}
}

// TestSendErrorsOfTheKernel: the causes that can be had, from the real kernel.
func TestSendErrorsOfTheKernel(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755)) // for nobody
	must(t, os.Chmod(dir, 0o755))
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.Symlink("loop", at("loop")))
	must(t, os.WriteFile(at("file"), nil, 0o666))
	receiver := func(t *testing.T, network, name string) {
		addr := &net.UnixAddr{Name: at(name), Net: network}
		if network == "unixgram" {
			c, err := net.ListenUnixgram(network, addr)
			must(t, err)
			t.Cleanup(func() { c.Close() })
			return
		}
		l, err := net.ListenUnix(network, addr)
		must(t, err)
		t.Cleanup(func() { l.Close() })
	}
	receiver(t, "unixgram", "dgram")
	receiver(t, "unix", "stream")
	receiver(t, "unixgram", "private")
	must(t, os.Chmod(at("private"), 0))
	gone, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at("gone"), Net: "unixgram"})
	must(t, err)
	gone.Close()
	for _, open := range []string{"file", "dgram", "stream", "gone"} {
		must(t, os.Chmod(at(open), 0o777))
	}

	to := func(name string) func(*scmrights.Packet) {
		return func(p *scmrights.Packet) { p.To = at(name) }
	}
	rows := []struct {
		name   string
		typ    int
		errno  unix.Errno
		lonely bool // the socket has no peer
		before func(t *testing.T, fa, fb *os.File)
		change func(*scmrights.Packet)
	}{
		{"EACCES by the mode of the address", unix.SOCK_DGRAM, unix.EACCES, true, nil, to("private")},
		{"EAGAIN with a full peer", unix.SOCK_SEQPACKET, unix.EAGAIN, false, fill, nil},
		{"EAGAIN on a stream", unix.SOCK_STREAM, unix.EAGAIN, false, fill, nil},
		{"EBADF", unix.SOCK_STREAM, unix.EBADF, false, nil, func(p *scmrights.Packet) { p.Files = append(p.Files, numbered(1<<20)) }},
		{"ECONNREFUSED at an address without a socket", unix.SOCK_DGRAM, unix.ECONNREFUSED, true, nil, to("file")},
		{"ECONNREFUSED at an address of old", unix.SOCK_DGRAM, unix.ECONNREFUSED, true, nil, to("gone")},
		{"ECONNREFUSED by a peer that is gone", unix.SOCK_DGRAM, unix.ECONNREFUSED, false, closePeer, nil},
		{"EINVAL for too long an address", unix.SOCK_DGRAM, unix.EINVAL, true, nil, func(p *scmrights.Packet) { p.To = string(make([]byte, 120)) }},
		{"EISCONN", unix.SOCK_STREAM, unix.EISCONN, false, nil, to("stream")},
		{"ELOOP", unix.SOCK_DGRAM, unix.ELOOP, true, nil, to("loop")},
		{"EMSGSIZE", unix.SOCK_SEQPACKET, unix.EMSGSIZE, false, nil, func(p *scmrights.Packet) { p.Data = [][]byte{make([]byte, 8<<20)} }},
		{"ENOENT", unix.SOCK_DGRAM, unix.ENOENT, true, nil, to("none")},
		{"ENOTCONN of a stream", unix.SOCK_STREAM, unix.ENOTCONN, true, nil, nil},
		{"ENOTCONN of records", unix.SOCK_SEQPACKET, unix.ENOTCONN, true, nil, nil},
		{"ENOTCONN of datagrams", unix.SOCK_DGRAM, unix.ENOTCONN, true, nil, nil},
		{"ENOTDIR", unix.SOCK_DGRAM, unix.ENOTDIR, true, nil, to("file/x")},
		{"EOPNOTSUPP", unix.SOCK_STREAM, unix.EOPNOTSUPP, true, nil, to("stream")},
		{"EPERM for another's credentials", unix.SOCK_STREAM, unix.EPERM, false, nil, func(p *scmrights.Packet) {
			p.Creds = &scmrights.Credentials{PID: os.Getpid(), UID: 12345, GID: nobody}
		}},
		{"EPERM by a receiver without SO_PASSRIGHTS", unix.SOCK_SEQPACKET, unix.EPERM, false, func(t *testing.T, _, fb *os.File) {
			err := unix.SetsockoptInt(number(t, fb), unix.SOL_SOCKET, unix.SO_PASSRIGHTS, 0)
			testenv.Need(t, "SO_PASSRIGHTS, Linux 6.16", err)
		}, nil},
		{"EPIPE by a peer that is gone", unix.SOCK_STREAM, unix.EPIPE, false, closePeer, nil},
		{"EPIPE after shutdown", unix.SOCK_SEQPACKET, unix.EPIPE, false, func(t *testing.T, fa, _ *os.File) {
			must(t, unix.Shutdown(number(t, fa), unix.SHUT_WR))
		}, nil},
		{"EPROTOTYPE", unix.SOCK_DGRAM, unix.EPROTOTYPE, true, nil, to("stream")},
	}
	f := memfd(t, "m")
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			testenv.CheckFDs(t)
			fa, fb := filePair(t, row.typ)
			if row.lonely {
				n, err := unix.Socket(unix.AF_UNIX, row.typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
				must(t, err)
				fa = os.NewFile(uintptr(n), "lonely")
			}
			a := open(t, fa)
			if row.before != nil {
				row.before(t, fa, fb)
			}
			if row.errno == unix.EAGAIN {
				must(t, a.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
			}
			p := packet("x", f)
			if row.change != nil {
				row.change(&p)
			}
			var n int
			var err error
			asNobody(t, func() { n, err = a.Send(p) })
			wants := listed[row.errno]
			if row.errno == unix.EAGAIN {
				if !errors.Is(err, scmrights.ErrBlocked) || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%d, %v", n, err)
				}
			} else if n != 0 || !errors.Is(err, row.errno) || !errors.Is(err, wants) {
				t.Errorf("%d, %v; want %v", n, err, wants)
			}
			var typed *scmrights.Error
			if !errors.As(err, &typed) || typed.Op != "send" {
				t.Errorf("%T", err)
			}
		})
	}
	t.Run("ESRCH", func(t *testing.T) {
		testenv.NeedRoot(t)
		a, _ := plainPair(t, unix.SOCK_STREAM)
		p := packet("x")
		p.Creds = &scmrights.Credentials{PID: 1 << 30}
		if _, err := a.Send(p); !errors.Is(err, scmrights.ErrNoProcess) {
			t.Error(err)
		}
	})
	t.Run("EINVAL for io_uring", func(t *testing.T) {
		a, _ := plainPair(t, unix.SOCK_STREAM)
		if _, err := a.Send(packet("x", ioUring(t))); !errors.Is(err, scmrights.ErrInvalid) || !errors.Is(err, unix.EINVAL) {
			t.Error(err)
		}
	})
}

// TestSendTooManyInFlight: ETOOMANYREFS needs a user and a limit of its own.
func TestSendTooManyInFlight(t *testing.T) {
	if !testenv.InSubprocess(t, unprivileged()) {
		return
	}
	a, b := plainPair(t, unix.SOCK_SEQPACKET)
	f := memfd(t, "m")
	limitNumbers(t, 32)
	sent := 0
	var err error
	for ; err == nil && sent < 100; sent++ {
		_, err = a.Send(packet("x", f))
	}
	if !errors.Is(err, scmrights.ErrInFlight) || !errors.Is(err, unix.ETOOMANYREFS) || sent < 32 {
		t.Fatalf("at packet %d: %v", sent, err)
	}
	checkMemfd(t, mustReceive(t, b, "x", 1).Files[0], "m")
	checkMemfd(t, mustReceive(t, b, "x", 1).Files[0], "m")
	mustSend(t, a, packet("x", f)) // as the sentinel says
}

func fill(t *testing.T, fa, _ *os.File) {
	for {
		if err := unix.Send(number(t, fa), make([]byte, 1024), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL); err == unix.EAGAIN {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func closePeer(t *testing.T, _, fb *os.File) { must(t, fb.Close()) }
