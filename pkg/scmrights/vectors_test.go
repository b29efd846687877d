package scmrights_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/pkg/scmrights"
	"sallyport/sdk/sdktest"
)

const vectorFile = "testdata/vectors.txt"

// vectors are the records and receipts that are to be accepted, by name.
func vectors(t testing.TB) map[string][]byte {
	t.Helper()
	good := map[string][]byte{}
	for _, v := range sdktest.Vectors(t, vectorFile) {
		if v.OK() && (v.Form == "up" || v.Form == "down" || v.Form == "receipt") {
			good[v.Name] = v.Bytes
		}
	}
	return good
}

// inWords is what the error of this package says when a check of a vector fails.
var inWords = map[string][]string{
	"short": {"shorter than a frame"}, "magic": {"magic"}, "version": {"version"}, "type": {"unknown record type"},
	"slots": {"slots"}, "length": {"announces", "more than 512"}, "reserved": {"reserved"}, "name": {"name"},
	"seq": {"number"}, "epoch": {"epoch"}, "ack": {"acknowledges"}, "payload": {"payload", "HELLO with versions", "PONG", "bytes", "version 2"},
	"direction": {"not for", "before HELLO", "after the channel was opened", "instead of WELCOME", "RELEASED with 1 slots"},
}

func judged(t *testing.T, v sdktest.Vector, err error) {
	t.Helper()
	if v.OK() {
		if errors.Is(err, scmrights.ErrProtocol) {
			t.Errorf("%s: %v", v.Name, err)
		}
		return
	}
	if errors.Is(err, scmrights.ErrProtocol) {
		for _, words := range inWords[v.Verdict] {
			if strings.Contains(err.Error(), words) {
				return
			}
		}
	}
	t.Errorf("%s: %v, want a protocol fault that says one of %q", v.Name, err, inWords[v.Verdict])
}

// TestConnJudgesVectors sends every record from a worker to a Conn that is in
// the vector's state.
func TestConnJudgesVectors(t *testing.T) {
	for _, v := range sdktest.Vectors(t, vectorFile) {
		if v.Form != "up" {
			continue
		}
		var conn *scmrights.Conn
		var w raw
		if v.Epoch == 0 {
			conn, w = rawWorker(t, scmrights.Config{})
		} else {
			conn, w = greeted(t, scmrights.Config{})
			for range 8 { // with WELCOME, nine records
				if err := conn.Ping(); err != nil {
					t.Fatal(err)
				}
			}
			for seq := uint64(2); seq < v.Next; seq++ {
				w.send(frame(8, 7, seq, 0, []byte{1, 0, 0, 0}))
			}
		}
		w.send(v.Bytes)
		w.f.Close()
		var err error
		for err == nil {
			_, err = conn.Receive(limit(t))
		}
		judged(t, v, err)
		conn.Close()
	}
}

// notAtPeer are the vectors for which a Peer lacks the state: it sends no PING,
// and nothing waits for this COMMIT.
var notAtPeer = map[string]bool{"down-pong": true, "commit": true}

// TestPeerJudgesVectors sends every record from the parent to a Peer that is in
// the vector's state.
func TestPeerJudgesVectors(t *testing.T) {
	for _, v := range sdktest.Vectors(t, vectorFile) {
		if v.Form == "down" && !notAtPeer[v.Name] {
			judged(t, v, peerOn(t, v))
		}
	}
}

func peerOn(t *testing.T, v sdktest.Vector) error {
	t.Helper()
	parent, end, err := scmrights.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer parent.Close()
	p := raw{t: t, n: int(parent.Fd()), f: parent}
	if v.Epoch == 0 {
		p.send(v.Bytes)
		peer, err := scmrights.Attach(end)
		if err == nil {
			peer.Close()
		}
		return err
	}
	p.send(frame(2, v.Epoch, 1, 0, []byte{1, 0, 0, 0, 0, 0, 0, 0}))
	for seq := uint64(2); seq < v.Next; seq++ {
		p.send(frame(9, v.Epoch, seq, 0, []byte{byte(seq), 0, 0, 0, 0, 0, 0, 0}))
	}
	peer, err := scmrights.Attach(end)
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	for range 8 { // with HELLO, nine records
		if err := peer.Credit(1); err != nil {
			t.Fatal(err)
		}
	}
	p.send(v.Bytes)
	if err := unix.Shutdown(p.n, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = peer.Receive(limit(t))
	}
	return err
}

// TestReceiptVectors judges every receipt as the parent that sent "offer".
func TestReceiptVectors(t *testing.T) {
	for _, v := range sdktest.Vectors(t, vectorFile) {
		if v.Form != "receipt" {
			continue
		}
		again, err := scmrights.RecodeReceipt(v.Bytes, v.Epoch, v.Next, 2)
		switch v.Verdict {
		case "ok":
			if err != nil || !bytes.Equal(again, v.Bytes) {
				t.Errorf("%s: %v\n got %x\nwant %x", v.Name, err, again, v.Bytes)
			}
		case "short":
			if err != nil || len(again) != 20+2*8 || again[5] != 0 {
				t.Errorf("%s: %v, %x", v.Name, err, again)
			}
		case "lost":
			if err != nil || again != nil {
				t.Errorf("%s: %v, %x", v.Name, err, again)
			}
		case "fault":
			if !errors.Is(err, scmrights.ErrProtocol) {
				t.Errorf("%s was taken: %v", v.Name, err)
			}
		default:
			t.Errorf("%s: verdict %q", v.Name, v.Verdict)
		}
	}
}
