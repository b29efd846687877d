package scmrights_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"sallyport/pkg/scmrights"
)

func TestVectorsAreCanonical(t *testing.T) {
	for name, b := range vectors(t) {
		recode := scmrights.Recode
		if name == "receipt-short" {
			continue
		}
		if strings.HasPrefix(name, "receipt") {
			recode = func(b []byte) ([]byte, error) { return scmrights.RecodeReceipt(b, 7, 2, 2) }
		}
		again, err := recode(b)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s: %v\n got %x\nwant %x", name, err, again, b)
		}
		if _, err := recode(b[:len(b)-1]); !errors.Is(err, scmrights.ErrProtocol) {
			t.Errorf("%s without its last byte: %v", name, err)
		}
		if _, err := recode(append(b[:len(b):len(b)], 0)); !errors.Is(err, scmrights.ErrProtocol) {
			t.Errorf("%s and one byte: %v", name, err)
		}
	}
}

// TestReservedBytes sets every byte that the format reserves, and a few that
// must agree with others.
func TestReservedBytes(t *testing.T) {
	offer := vectors(t)["offer"]
	rows := []struct {
		at   int
		to   byte
		says string
	}{
		{0, 0, "magic"}, {3, 0, "magic"}, {4, 0, "version 0"}, {4, 2, "version 2"}, {5, 0, "type 0"}, {5, 12, "type 12"},
		{6, 1, "announces"}, {6, 251, "251 slots"}, {7, 1, "258 slots"}, {12, 1, "announces"}, {15, 0x80, "announces"},
		{32 + 19, 1, "reserved byte"}, {32 + 48, 48, "name of 48"}, {32 + 48, 7, "behind the name"},
		{32 + 95, 1, "behind the name"}, {32 + 49, 0xff, "UTF-8"}, {32 + 50, 0, "UTF-8 without zero"}, {32 + 96 + 19, 9, "slot 1"},
	}
	for _, row := range rows {
		b := bytes.Clone(offer)
		b[row.at] = row.to
		_, err := scmrights.Recode(b)
		if !errors.Is(err, scmrights.ErrProtocol) || !strings.Contains(err.Error(), row.says) {
			t.Errorf("byte %d set to %d: %v, want %q in it", row.at, row.to, err, row.says)
		}
	}
}

func FuzzRecord(f *testing.F) {
	for _, b := range vectors(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := scmrights.Recode(b)
		if err == nil && !bytes.Equal(again, b) {
			t.Errorf("two encodings of one record:\n%x\n%x", b, again)
		}
	})
}

func FuzzReceipt(f *testing.F) {
	for _, b := range vectors(f) {
		f.Add(b, uint32(7), uint64(2), uint8(2))
	}
	f.Fuzz(func(t *testing.T, b []byte, epoch uint32, seq uint64, slots uint8) {
		again, err := scmrights.RecodeReceipt(b, epoch, seq, int(slots))
		if err == nil && len(b) > 1 && !bytes.Equal(again, b) {
			t.Errorf("two encodings of one receipt:\n%x\n%x", b, again)
		}
	})
}
