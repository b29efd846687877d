package scmrights_test

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/pkg/scmrights"
)

func isBoth(err, one, other error) bool { return errors.Is(err, one) && errors.Is(err, other) }

func isCut(err error, wants scmrights.Truncation) bool {
	var cut *scmrights.Truncation
	return errors.As(err, &cut) && *cut == wants
}

func ownCreds() scmrights.Credentials {
	return scmrights.Credentials{PID: os.Getpid(), UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
}

// nobodysCreds are beside what was sent before anybody asked for credentials.
var nobodysCreds = scmrights.Credentials{PID: 0, UID: nobody, GID: nobody}

func checkCreds(t *testing.T, d scmrights.Delivery, wants scmrights.Credentials) {
	t.Helper()
	if d.Creds == nil || *d.Creds != wants {
		t.Errorf("credentials %+v, want %+v", d.Creds, wants)
	}
}

// credsOrder is a case in which credentials are asked for at one end or both,
// before or after something is sent without a control message.
type credsOrder struct {
	write                             bool // by write(2) instead of the layer
	sendEndBefore, recvEndBefore      bool
	sendEndAfter, recvEndAfter, comes bool
	wants                             scmrights.Credentials
}

func (o credsOrder) run(t *testing.T, c cmsgPair) {
	set := func(s *scmrights.Socket, on bool) {
		if on {
			must(t, s.PassCredentials(true))
		}
	}
	set(c.a, o.sendEndBefore)
	set(c.b, o.recvEndBefore)
	if o.write {
		mustWrite(t, c.fa)
	} else {
		mustSend(t, c.a, packet(cmsgText))
	}
	set(c.a, o.sendEndAfter)
	set(c.b, o.recvEndAfter)
	d := mustReceive(t, c.b, cmsgText, 0)
	if !o.comes {
		if d.Creds != nil {
			t.Errorf("credentials %+v: nobody asked", d.Creds)
		}
		return
	}
	checkCreds(t, d, o.wants)
}

// cutCreds receives credentials into a control buffer of so many bytes.
func cutCreds(control int, whole bool) func(*testing.T, cmsgPair) {
	return func(t *testing.T, c cmsgPair) {
		own := ownCreds()
		p := packet(cmsgText)
		p.Creds = &own
		mustSend(t, c.a, p)
		must(t, c.b.PassCredentials(true))
		got, err := rawReceive(t, c.fb, 64, control, 0)
		if err != nil || got.text != cmsgText || got.control != control {
			t.Fatalf("%+v, %v", got, err)
		}
		switch {
		case whole && (got.flags != 0 || got.parsed.Creds == nil || int(got.parsed.Creds.Pid) != own.PID):
			t.Errorf("%+v: want them whole", got)
		case !whole && (got.flags != unix.MSG_CTRUNC || got.parsed.Creds != nil || got.parsed.Unknown != 1):
			t.Errorf("%+v: want them cut, and no part of them believed", got)
		case !whole && len(got.raw) >= unix.CmsgLen(4) && int(word(got.raw[unix.CmsgLen(0):])) != own.PID:
			t.Errorf("the part that came names process %d", word(got.raw[unix.CmsgLen(0):]))
		}
	}
}

// fileAndCreds passes a file; credentials are asked for before or after.
func fileAndCreds(before, explicit bool) func(*testing.T, cmsgPair) {
	return func(t *testing.T, c cmsgPair) {
		if before {
			must(t, c.b.PassCredentials(true))
		}
		sent, peer := passable(t)
		p := packet(cmsgText, sent)
		own := ownCreds()
		if explicit {
			p.Creds = &own
		}
		mustSend(t, c.a, p)
		if !before {
			must(t, c.b.PassCredentials(true))
		}
		d := mustReceive(t, c.b, cmsgText, 1)
		if before || explicit {
			checkCreds(t, d, own)
		} else {
			checkCreds(t, d, nobodysCreds)
		}
		checkTransfer(t, d.Files[0], peer)
	}
}

// noRoomForCreds receives into a control buffer in which at most the header of
// the credentials fits: the descriptor behind them is gone too.
func noRoomForCreds(control int) func(*testing.T, cmsgPair) {
	return func(t *testing.T, c cmsgPair) {
		must(t, c.b.PassCredentials(true))
		sent, _ := passable(t)
		mustSend(t, c.a, packet(cmsgText, sent))
		buf, room := make([]byte, 64), make([]byte, control)
		n, came, flags, err := sys.ScmReceive(number(t, c.fb), buf, room, unix.MSG_DONTWAIT)
		if err != nil || string(buf[:n]) != cmsgText || flags != unix.MSG_CTRUNC {
			t.Fatalf("%q, flags %#x, %v", buf[:n], flags, err)
		}
		parsed, err := sys.ScmParse(room[:came])
		if want := control / unix.CmsgLen(0); came != want*control || parsed.Unknown != want || parsed.Creds != nil || len(parsed.Rights) != 0 || err != nil {
			t.Errorf("%d control bytes, %+v, %v", came, parsed, err)
		}
	}
}

// gvisorCredsCases are those of the list that are about credentials.
var gvisorCredsCases = map[string]func(*testing.T, cmsgPair){
	"SendNullCredsBeforeSoPassCredRecvEnd":             credsOrder{recvEndAfter: true, comes: true, wants: nobodysCreds}.run,
	"SendNullCredsAfterSoPassCredRecvEnd":              credsOrder{recvEndBefore: true, comes: true, wants: ownCreds()}.run,
	"SendNullCredsBeforeSoPassCredSendEnd":             credsOrder{sendEndAfter: true}.run,
	"SendNullCredsAfterSoPassCredSendEnd":              credsOrder{sendEndBefore: true}.run,
	"SendNullCredsBeforeSoPassCredRecvEndAfterSendEnd": credsOrder{sendEndBefore: true, recvEndAfter: true, comes: true, wants: ownCreds()}.run,
	"WriteBeforeSoPassCredRecvEnd":                     credsOrder{write: true, recvEndAfter: true, comes: true, wants: nobodysCreds}.run,
	"WriteAfterSoPassCredRecvEnd":                      credsOrder{write: true, recvEndBefore: true, comes: true, wants: ownCreds()}.run,
	"WriteBeforeSoPassCredSendEnd":                     credsOrder{write: true, sendEndAfter: true}.run,
	"WriteAfterSoPassCredSendEnd":                      credsOrder{write: true, sendEndBefore: true}.run,
	"WriteBeforeSoPassCredRecvEndAfterSendEnd":         credsOrder{write: true, sendEndBefore: true, recvEndAfter: true, comes: true, wants: ownCreds()}.run,
	"BasicCredPass": func(t *testing.T, c cmsgPair) {
		own := ownCreds()
		p := packet(cmsgText)
		p.Creds = &own
		mustSend(t, c.a, p)
		must(t, c.b.PassCredentials(true))
		checkCreds(t, mustReceive(t, c.b, cmsgText, 0), own)
	},
	"CredPassTruncated":                           cutCreds(unix.CmsgSpace(0)+4, false),
	"CredPassTruncatedMsgCtrunc":                  cutCreds(unix.CmsgSpace(0)+4, false),
	"CredPassNoSpaceMsgCtrunc":                    cutCreds(unix.CmsgSpace(0), false),
	"CredPassNoMsgCtrunc":                         cutCreds(unix.CmsgSpace(unix.SizeofUcred), true),
	"SoPassCred":                                  switchCreds,
	"NoDataCredPass":                              emptyCreds,
	"NoPassCred":                                  unaskedCreds,
	"CredAndFDPass":                               fileAndCreds(false, true),
	"FDPassBeforeSoPassCred":                      fileAndCreds(false, false),
	"FDPassAfterSoPassCred":                       fileAndCreds(true, false),
	"FDPassAfterSoPassCredWithoutCredSpace":       noRoomForCreds(unix.CmsgLen(0)),
	"FDPassAfterSoPassCredWithoutCredHeaderSpace": noRoomForCreds(unix.CmsgLen(0) / 2),
}

func switchCreds(t *testing.T, c cmsgPair) {
	expect := func(a, b int) {
		t.Helper()
		for f, want := range map[*os.File]int{c.fa: a, c.fb: b} {
			if got, err := unix.GetsockoptInt(number(t, f), unix.SOL_SOCKET, unix.SO_PASSCRED); got != want || err != nil {
				t.Errorf("%s: %d, %v; want %d", f.Name(), got, err, want)
			}
		}
	}
	expect(0, 0)
	must(t, c.a.PassCredentials(true))
	expect(1, 0)
	must(t, c.a.PassCredentials(false))
	expect(0, 0)
}

func emptyCreds(t *testing.T, c cmsgPair) {
	control := sys.ScmAppendCredentials(nil, unix.Ucred{})[:unix.CmsgSpace(0)]
	control[0] = byte(unix.CmsgLen(0)) // little endian; on the others a length beyond the buffer
	if n, err := sys.ScmSend(number(t, c.fa), []byte(cmsgText), control, unix.MSG_NOSIGNAL); err != unix.EINVAL {
		t.Error(n, err)
	}
	expectNothing(t, c.fb)
}

func unaskedCreds(t *testing.T, c cmsgPair) {
	own := ownCreds()
	p := packet(cmsgText)
	p.Creds = &own
	mustSend(t, c.a, p)
	if d := mustReceive(t, c.b, cmsgText, 0); d.Creds != nil {
		t.Errorf("%+v", d.Creds)
	}
}
