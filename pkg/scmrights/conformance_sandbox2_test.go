package scmrights_test

import (
	"errors"
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// TestConformanceSandbox2: the cases about descriptors and credentials of
// sandbox2's comms_test by their names. Its channel is a stream; here they run
// on every type. The table of descriptors is compared before and after.
func TestConformanceSandbox2(t *testing.T) {
	for name, test := range sandbox2Cases {
		t.Run(name, func(t *testing.T) {
			forKinds(t, func(t *testing.T, typ int) {
				testenv.CheckFDs(t)
				fa, fb := filePair(t, typ)
				c := cmsgPair{fa, fb, open(t, fa), open(t, fb)}
				must(t, c.b.PassCredentials(true))
				test(t, c)
			})
		})
	}
}

// extraFile sends two descriptors to a receiver that has room for one. Where
// sandbox2 takes the first and closes the other, the layer refuses both: what
// was not asked for is no part of an exchange that can be trusted.
func extraFile(t *testing.T, c cmsgPair, control []byte) {
	t.Helper()
	if _, err := sys.ScmSend(number(t, c.fa), []byte("x"), control, unix.MSG_NOSIGNAL); err != nil {
		t.Fatal(err)
	}
	text, d, err := receiveText(c.b, 8, 1)
	if text != "x" || d.Files != nil || !isCut(err, scmrights.Truncation{Control: true, Closed: 1, Room: 8}) {
		t.Errorf("%q, %+v, %v", text, d, err)
	}
}

var sandbox2Cases = map[string]func(*testing.T, cmsgPair){
	"TestSendRecvFD": func(t *testing.T, c cmsgPair) {
		mustSend(t, c.a, packet("x", memfd(t, "m")))
		checkMemfd(t, mustReceive(t, c.b, "x", 1).Files[0], "m")
	},
	"TestSendRecvCreds": func(t *testing.T, c cmsgPair) {
		mustSend(t, c.a, packet("x"))
		checkCreds(t, mustReceive(t, c.b, "x", 0), ownCreds())
	},
	"RecvCredsHandlesMalformedCmsgLen": func(t *testing.T, c cmsgPair) {
		control := sys.ScmAppendCredentials(nil, unix.Ucred{})[:unix.CmsgSpace(5)]
		short := sys.ScmAppendRights(nil, nil)
		copy(control, short[:unix.SizeofCmsghdr-8]) // a length of none, then of 5 bytes
		for _, length := range []byte{byte(unix.CmsgLen(5)), 5, 0} {
			control[0] = length
			if _, err := sys.ScmSend(number(t, c.fa), []byte("x"), control, unix.MSG_NOSIGNAL); err != unix.EINVAL {
				t.Errorf("length %d: %v, want EINVAL", length, err)
			}
		}
		mustSend(t, c.a, packet("on"))
		checkCreds(t, mustReceive(t, c.b, "on", 0), ownCreds())
	},
	"RecvCredsClosesFDs": func(t *testing.T, c cmsgPair) {
		f := memfd(t, "m")
		mustSend(t, c.a, packet("x", f, f))
		_, d, err := receiveText(c.b, 8, 0) // credentials are welcome, descriptors not
		checkCreds(t, d, ownCreds())
		if d.Files != nil || !isCut(err, scmrights.Truncation{Control: true, Room: 8}) {
			t.Errorf("%+v, %v", d, err)
		}
	},
	"TestSendRecvCredsFailsWithoutPassCred": func(t *testing.T, c cmsgPair) {
		must(t, c.b.PassCredentials(false))
		mustSend(t, c.a, packet("x"))
		if d := mustReceive(t, c.b, "x", 0); d.Creds != nil {
			t.Errorf("credentials %+v", d.Creds)
		}
	},
	"SendRecvFailsAfterTerminate": func(t *testing.T, c cmsgPair) {
		must(t, c.a.Close())
		if _, err := c.a.Send(packet("x", memfd(t, "m"))); !errors.Is(err, scmrights.ErrClosed) {
			t.Error(err)
		}
		if _, _, err := receiveText(c.a, 8, 1); !errors.Is(err, scmrights.ErrClosed) {
			t.Error(err)
		}
		if n, err := c.b.Send(packet("x", memfd(t, "m"))); n != 0 || !errors.Is(err, scmrights.ErrPeerGone) && !errors.Is(err, scmrights.ErrNobody) {
			t.Error(n, err)
		}
	},
	"RecvFDClosesExtraFDs": func(t *testing.T, c cmsgPair) {
		n := number(t, memfd(t, "m"))
		extraFile(t, c, sys.ScmAppendRights(nil, []int{n, n}))
	},
	"RecvFDClosesExtraFDsMultipleHeaders": func(t *testing.T, c cmsgPair) {
		n := number(t, memfd(t, "m"))
		extraFile(t, c, sys.ScmAppendRights(sys.ScmAppendRights(nil, []int{n}), []int{n}))
	},
	// The tag is the business of the protocol: a worker's end gets a record that
	// is none, with a descriptor.
	"RecvFDClosesFDsOnWrongTag": func(t *testing.T, _ cmsgPair) {
		parent, worker, err := scmrights.Pair()
		must(t, err)
		mustSend(t, open(t, parent), packet("this is no record of the protocol", memfd(t, "m")))
		if p, err := scmrights.Attach(worker); !errors.Is(err, scmrights.ErrProtocol) {
			t.Errorf("%v, %v", p, err)
		}
	},
	// Descriptors with less data than the receiver needs: the caller has them, and
	// the end behind it.
	"RecvFDClosesFDsOnTruncation": func(t *testing.T, c cmsgPair) {
		mustSend(t, c.a, packet("header", memfd(t, "m")))
		d, err := c.b.Receive(scmrights.Room{Data: [][]byte{make([]byte, 5)}, Files: 1})
		switch cut := (scmrights.Truncation{Length: 6, Room: 5, Closed: 1}); {
		case len(d.Files) == 1 && err == nil: // a stream: the sixth byte comes later
			checkMemfd(t, d.Files[0], "m")
			mustReceive(t, c.b, "r", 0)
			must(t, c.a.Close())
			if _, _, err := receiveText(c.b, 8, 1); err != io.EOF {
				t.Error(err)
			}
		case d.Files != nil || !isCut(err, cut):
			t.Errorf("%+v, %v", d, err)
		}
	},
}
