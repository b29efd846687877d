package scmrights_test

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// cmsgPair is what each case gets: two connected sockets, the layer's and the
// files below, of which the case uses one or the other.
type cmsgPair struct {
	fa, fb *os.File
	a, b   *scmrights.Socket
}

const cmsgText = "twenty bytes of text"

var cmsgNames atomic.Int64

// connected makes a connected pair of a type by socketpair, or through an
// address in the file system or in the abstract name space.
func connected(t *testing.T, typ int, how string) (a, b *os.File) {
	if how == "pair" {
		return filePair(t, typ)
	}
	name := fmt.Sprintf("@cmsg-%d-%d", os.Getpid(), cmsgNames.Add(1))
	if how == "path" {
		name = filepath.Join(t.TempDir(), "s")
	}
	file := func(c interface{ File() (*os.File, error) }, err error) *os.File {
		must(t, err)
		f, err := c.File()
		must(t, err)
		must(t, unix.SetNonblock(number(t, f), true))
		c.(interface{ Close() error }).Close()
		polled := os.NewFile(uintptr(dup(t, f)), "connected")
		f.Close()
		t.Cleanup(func() { polled.Close() })
		return polled
	}
	if typ == unix.SOCK_DGRAM {
		one, other := &net.UnixAddr{Name: name, Net: "unixgram"}, &net.UnixAddr{Name: name + "-b", Net: "unixgram"}
		a := file(net.ListenUnixgram("unixgram", one))
		b := file(net.DialUnix("unixgram", other, one))
		must(t, unix.Connect(number(t, a), &unix.SockaddrUnix{Name: other.Name}))
		return a, b
	}
	network := map[int]string{unix.SOCK_STREAM: "unix", unix.SOCK_SEQPACKET: "unixpacket"}[typ]
	l, err := net.ListenUnix(network, &net.UnixAddr{Name: name, Net: network})
	must(t, err)
	defer l.Close()
	a = file(net.DialUnix(network, nil, &net.UnixAddr{Name: name, Net: network}))
	return a, file(l.AcceptUnix())
}

func dup(t *testing.T, f *os.File) int {
	n, err := unix.FcntlInt(uintptr(number(t, f)), unix.F_DUPFD_CLOEXEC, 3)
	must(t, err)
	return n
}

// TestConformanceGVisor: the cases of gVisor's socket_unix_cmsg by their names,
// each for every type of socket and every way to connect a pair.
func TestConformanceGVisor(t *testing.T) {
	all := maps.Clone(gvisorCases)
	maps.Copy(all, gvisorCredsCases)
	for name, test := range all {
		t.Run(name, func(t *testing.T) {
			for _, kind := range socketKinds {
				for _, how := range []string{"pair", "path", "abstract"} {
					t.Run(kind.name+" "+how, func(t *testing.T) {
						testenv.CheckFDs(t)
						fa, fb := connected(t, kind.typ, how)
						test(t, cmsgPair{fa, fb, open(t, fa), open(t, fb)})
					})
				}
			}
		})
	}
}

// passable is a socket to be passed, and the peer at which it is recognised.
func passable(t *testing.T) (sent, peer *os.File) { return filePair(t, unix.SOCK_SEQPACKET) }

// checkTransfer sends through what was received to its peer and back; it closes
// what was received.
func checkTransfer(t *testing.T, received, peer *os.File) {
	t.Helper()
	buf := make([]byte, 8)
	for _, way := range [][2]*os.File{{received, peer}, {peer, received}} {
		if _, err := unix.Write(number(t, way[0]), []byte("through")); err != nil {
			t.Fatal(err)
		}
		if n, err := unix.Read(number(t, way[1]), buf); err != nil || string(buf[:n]) != "through" {
			t.Fatalf("%q, %v", buf[:n], err)
		}
	}
	received.Close()
}

// basicPass sends count files with one packet.
func basicPass(count int) func(*testing.T, cmsgPair) {
	return func(t *testing.T, c cmsgPair) {
		p := packet(cmsgText)
		var peers []*os.File
		for range count {
			sent, peer := passable(t)
			p.Files, peers = append(p.Files, sent), append(peers, peer)
		}
		mustSend(t, c.a, p)
		for i, f := range mustReceive(t, c.b, cmsgText, count).Files {
			checkTransfer(t, f, peers[i])
		}
	}
}

// cutPass sends files and receives with a control buffer of so many bytes.
func cutPass(files, control, installed, flags int) func(*testing.T, cmsgPair) {
	return func(t *testing.T, c cmsgPair) {
		p := packet(cmsgText)
		for range files {
			sent, _ := passable(t)
			p.Files = append(p.Files, sent)
		}
		mustSend(t, c.a, p)
		got, err := rawReceive(t, c.fb, len(cmsgText), control, 0)
		if err != nil || got.text != cmsgText || got.flags != flags || len(got.files) != installed {
			t.Fatalf("%+v, %v; want %d files, flags %#x", got, err, installed, flags)
		}
		if installed == 0 && got.control != 0 {
			t.Errorf("%d control bytes", got.control)
		}
	}
}

// noFileWelcome is the same with the layer's receive: no room, and it says so.
func noFileWelcome(t *testing.T, c cmsgPair) {
	sent, _ := passable(t)
	mustSend(t, c.a, packet(cmsgText, sent))
	text, d, err := receiveText(c.b, len(cmsgText), 0)
	if text != cmsgText || len(d.Files) != 0 || !isCut(err, scmrights.Truncation{Control: true, Room: len(cmsgText)}) {
		t.Errorf("%q, %+v, %v", text, d, err)
	}
}

func mustWrite(t *testing.T, f *os.File) {
	t.Helper()
	if n, err := unix.Write(number(t, f), []byte(cmsgText)); n != len(cmsgText) || err != nil {
		t.Fatal(n, err)
	}
}

func mustRead(t *testing.T, f *os.File) {
	t.Helper()
	buf := make([]byte, len(cmsgText))
	if n, err := unix.Read(number(t, f), buf); string(buf[:max(n, 0)]) != cmsgText || err != nil {
		t.Fatalf("%q, %v", buf, err)
	}
}

var gvisorCases = map[string]func(*testing.T, cmsgPair){
	"BasicFDPass":      basicPass(1),
	"BasicTwoFDPass":   basicPass(2),
	"BasicThreeFDPass": basicPass(3),
	"BadFDPass": func(t *testing.T, c cmsgPair) {
		p := packet(cmsgText)
		p.Files = append(p.Files, numbered(1<<20))
		if n, err := c.a.Send(p); n != 0 || !isBoth(err, scmrights.ErrBadFile, unix.EBADF) {
			t.Error(n, err)
		}
	},
	"ShortCmsg": func(t *testing.T, c cmsgPair) {
		control := sys.ScmAppendRights(nil, []int{0})
		control[0], control[1] = 1, 0 // cmsg_len, little endian or not: no header fits
		if n, err := sys.ScmSend(number(t, c.fa), []byte(cmsgText), control, unix.MSG_NOSIGNAL); err != unix.EINVAL {
			t.Error(n, err)
		}
		expectNothing(t, c.fb)
	},
	"BasicFDPassNoSpace":                            noFileWelcome,
	"BasicFDPassNoSpaceMsgCtrunc":                   cutPass(1, unix.CmsgSpace(0), 0, unix.MSG_CTRUNC),
	"BasicFDPassNullControlMsgCtrunc":               cutPass(1, 0, 0, unix.MSG_CTRUNC),
	"BasicFDPassNotEnoughSpaceMsgCtrunc":            cutPass(1, unix.CmsgSpace(0)+1, 0, unix.MSG_CTRUNC),
	"BasicThreeFDPassTruncationMsgCtrunc":           cutPass(3, unix.CmsgSpace(8), 2, unix.MSG_CTRUNC),
	"BasicFDPassUnalignedRecv":                      cutPass(1, unix.CmsgLen(4), 1, 0),
	"BasicFDPassUnalignedRecvNoMsgTrunc":            basicPass(1), // the layer's own room for one is exactly this
	"BasicTwoFDPassUnalignedRecvTruncationMsgTrunc": twoForOne,
	"ConcurrentBasicFDPass": func(t *testing.T, c cmsgPair) {
		sent, peer := passable(t)
		received := make(chan error, 1)
		go func() {
			_, d, err := receiveText(c.a, 64, 1)
			if err == nil {
				buf := make([]byte, 8)
				n := 0
				if n, err = d.Files[0].Read(buf); err == nil {
					_, err = d.Files[0].Write(buf[:n])
				}
				d.Files[0].Close()
			}
			received <- err
		}()
		mustSend(t, c.b, packet(cmsgText, sent))
		if _, err := peer.WriteString("echo"); err != nil {
			t.Error(err)
		}
		must(t, <-received)
		buf := make([]byte, 8)
		if n, err := peer.Read(buf); err != nil || string(buf[:n]) != "echo" {
			t.Errorf("%q, %v", buf[:n], err)
		}
	},
	"FDPassNoRecv": func(t *testing.T, c cmsgPair) {
		sent, _ := passable(t)
		mustSend(t, c.a, packet(cmsgText, sent))
		mustRead(t, c.fb)
		mustSend(t, c.a, packet("on"))
		mustReceive(t, c.b, "on", 0)
	},
	"FDPassInterspersed1": func(t *testing.T, c cmsgPair) {
		sent, peer := passable(t)
		mustWrite(t, c.fa)
		mustSend(t, c.a, packet(cmsgText, sent))
		// A stream hands out no more than was asked for.
		text, d, err := receiveText(c.b, len(cmsgText), 1)
		if text != cmsgText || len(d.Files) != 0 || err != nil {
			t.Fatalf("%q, %+v, %v", text, d, err)
		}
		checkTransfer(t, mustReceive(t, c.b, cmsgText, 1).Files[0], peer)
	},
	"FDPassInterspersed2": func(t *testing.T, c cmsgPair) {
		sent, _ := passable(t)
		mustSend(t, c.a, packet(cmsgText, sent))
		mustWrite(t, c.fa)
		mustRead(t, c.fb)
		mustReceive(t, c.b, cmsgText, 0)
	},
	"FDPassNotCoalesced": func(t *testing.T, c cmsgPair) {
		one, peerOfOne := passable(t)
		two, peerOfTwo := passable(t)
		mustSend(t, c.a, packet(cmsgText, one))
		mustSend(t, c.a, packet(cmsgText, two))
		checkTransfer(t, mustReceive(t, c.b, cmsgText, 1).Files[0], peerOfOne)
		checkTransfer(t, mustReceive(t, c.b, cmsgText, 1).Files[0], peerOfTwo)
	},
	"FDPassPeek": func(t *testing.T, c cmsgPair) {
		sent, peer := passable(t)
		mustSend(t, c.a, packet(cmsgText, sent))
		peeked, err := rawReceive(t, c.fb, 64, fullControl, unix.MSG_PEEK)
		if err != nil || len(peeked.files) != 1 || peeked.text != cmsgText {
			t.Fatalf("%+v, %v", peeked, err)
		}
		checkTransfer(t, peeked.files[0], peer)
		checkTransfer(t, mustReceive(t, c.b, cmsgText, 1).Files[0], peer)
	},
	"CloexecDroppedWhenFDPassed": func(t *testing.T, c cmsgPair) {
		mustSend(t, c.a, packet(cmsgText, memfd(t, "m"))) // which is close-on-exec
		got, err := rawReceive(t, c.fb, 64, fullControl, 0)
		must(t, err)
		if flags, err := unix.FcntlInt(uintptr(number(t, got.files[0])), unix.F_GETFD, 0); err != nil || flags != 0 {
			t.Errorf("flags %d, %v", flags, err)
		}
	},
	"CloexecRecvFDPass": func(t *testing.T, c cmsgPair) {
		f := memfd(t, "m")
		_, err := unix.FcntlInt(uintptr(number(t, f)), unix.F_SETFD, 0)
		must(t, err)
		mustSend(t, c.a, packet(cmsgText, f))
		d := mustReceive(t, c.b, cmsgText, 1)
		if flags, err := unix.FcntlInt(uintptr(number(t, d.Files[0])), unix.F_GETFD, 0); err != nil || flags != unix.FD_CLOEXEC {
			t.Errorf("flags %d, %v", flags, err)
		}
		checkMemfd(t, d.Files[0], "m")
	},
	"MsgCtruncInputIsNoop": func(t *testing.T, c cmsgPair) {
		sent, peer := passable(t)
		mustSend(t, c.a, packet(cmsgText, sent))
		got, err := rawReceive(t, c.fb, 64, unix.CmsgSpace(4), unix.MSG_CTRUNC)
		if err != nil || len(got.files) != 1 || got.flags&unix.MSG_CTRUNC != 0 {
			t.Fatalf("%+v, %v", got, err)
		}
		checkTransfer(t, got.files[0], peer)
	},
}

// twoForOne has the layer receive two descriptors with room for one.
func twoForOne(t *testing.T, c cmsgPair) {
	one, two := passable(t)
	mustSend(t, c.a, packet(cmsgText, one, two))
	_, d, err := receiveText(c.b, len(cmsgText), 1)
	if len(d.Files) != 0 || !isCut(err, scmrights.Truncation{Control: true, Closed: 1, Room: len(cmsgText)}) {
		t.Errorf("%+v, %v", d, err)
	}
}
