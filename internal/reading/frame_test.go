package reading_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"sallyport/internal/reading"
)

func sample() reading.Frame {
	return reading.Frame{
		Kind: reading.Reading, Band: 9, Worker: 1, Sensor: 7, Epoch: 3, Seq: 0x0102030405060708,
		Boottime: 1_000_000_007, Wall: 1_790_000_000_123_456_789, Value: 21.5, Unit: "°C",
	}
}

// golden are the bytes themselves, field by field, so that a change of the
// format cannot pass by changing encoder and decoder together.
var golden = []struct {
	name  string
	frame func() reading.Frame
	hex   string
}{
	{"reading", sample,
		"01 01 0900 01000000 07000000 03000000 0807060504030201 07ca9a3b00000000 15cd4e2b845bd718 0000000000803540 c2b0430000000000 00000000 00000000"},
	{"alert with text", func() reading.Frame {
		f := sample()
		f.Kind, f.Band, f.Text, f.Flags = reading.Alert, 1, "too warm", reading.FlagResent
		return f
	},
		"01 02 0100 01000000 07000000 03000000 0807060504030201 07ca9a3b00000000 15cd4e2b845bd718 0000000000803540 c2b0430000000000 01000000 00000000" +
			"08 746f6f207761726d" + strings.Repeat("00", reading.MaxText-8)},
	{"acknowledgement", func() reading.Frame {
		return reading.Frame{Kind: reading.Ack, Band: 1, Worker: 2, Epoch: 3, Seq: 5}
	},
		"01 03 0100 02000000 00000000 03000000 0500000000000000" + strings.Repeat("00", 40)},
}

func TestGoldenBytes(t *testing.T) {
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			want, err := hex.DecodeString(strings.ReplaceAll(g.hex, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			f := g.frame()
			buf := bytes.Repeat([]byte{0xff}, reading.AlertSize)
			n, err := f.Encode(buf)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(buf[:n], want) {
				t.Errorf("encoded\n%x, want\n%x", buf[:n], want)
			}
			back, err := reading.Decode(want)
			if err != nil {
				t.Fatal(err)
			}
			if back != f {
				t.Errorf("decoded %+v, want %+v", back, f)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	set := func(at int, b ...byte) func([]byte) []byte {
		return func(buf []byte) []byte { copy(buf[at:], b); return buf }
	}
	for name, spoil := range map[string]func([]byte) []byte{
		"no bytes":          func(b []byte) []byte { return nil },
		"one byte short":    func(b []byte) []byte { return b[:len(b)-1] },
		"one byte long":     func(b []byte) []byte { return append(b, 0) },
		"version 0":         set(0, 0),
		"version 2":         set(0, 2),
		"kind 0":            set(1, 0),
		"kind 4":            set(1, 4),
		"band 0":            set(2, 0, 0),
		"seq 0":             set(16, make([]byte, 8)...),
		"unknown flag":      set(59, 0x80),
		"reserved":          set(63, 1),
		"NaN":               set(46, 0xf8, 0x7f),
		"infinity":          set(40, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f),
		"unit after zero":   set(48, 'a', 0, 'b'),
		"unit with newline": set(48, 'a', '\n', 0),
		"unit not UTF-8":    set(48, 0xc2, 'a', 0),
		"reading with text": func(b []byte) []byte {
			b = append(b, make([]byte, reading.AlertSize-reading.Size)...)
			b[64], b[65] = 1, 'x'
			return b
		},
		"text of length 0": func(b []byte) []byte {
			b[1] = byte(reading.Alert)
			return append(b, make([]byte, reading.AlertSize-reading.Size)...)
		},
		"text longer than said": func(b []byte) []byte {
			b[1] = byte(reading.Alert)
			b = append(b, make([]byte, reading.AlertSize-reading.Size)...)
			b[64], b[65], b[66] = 1, 'x', 'y'
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := sample()
			buf := make([]byte, reading.Size)
			if _, err := f.Encode(buf); err != nil {
				t.Fatal(err)
			}
			if got, err := reading.Decode(spoil(buf)); !errors.Is(err, reading.ErrMalformed) {
				t.Errorf("Decode: %+v, %v", got, err)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*reading.Frame){
		"kind 0":       func(f *reading.Frame) { f.Kind = 0 },
		"band 0":       func(f *reading.Frame) { f.Band = 0 },
		"seq 0":        func(f *reading.Frame) { f.Seq = 0 },
		"NaN":          func(f *reading.Frame) { f.Value = math.NaN() },
		"long unit":    func(f *reading.Frame) { f.Unit = "nine byte" },
		"reading text": func(f *reading.Frame) { f.Text = "x" },
		"long text":    func(f *reading.Frame) { f.Kind, f.Text = reading.Alert, strings.Repeat("x", reading.MaxText+1) },
	} {
		f := sample()
		spoil(&f)
		if n, err := f.Encode(make([]byte, reading.AlertSize)); err == nil {
			t.Errorf("%s: encoded to %d bytes", name, n)
		}
	}
	f := sample()
	if _, err := f.Encode(make([]byte, reading.Size-1)); err == nil {
		t.Error("encoded into a short buffer")
	}
}

func TestCutText(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		cut            bool
	}{
		{"short", "too warm", "too warm", false},
		{"newline and escape", "a\nb\x1b[2J", "a\uFFFDb\uFFFD[2J", false},
		{"not UTF-8", "a\xff", "a\uFFFD", false},
		{"just fits", strings.Repeat("x", reading.MaxText), strings.Repeat("x", reading.MaxText), false},
		{"cut inside a character", strings.Repeat("x", reading.MaxText-1) + "°C", strings.Repeat("x", reading.MaxText-1), true},
	} {
		got, cut := reading.CutText(c.in)
		if got != c.want || cut != c.cut || !utf8.ValidString(got) {
			t.Errorf("%s: %q, %v", c.name, got, cut)
		}
	}
}

func TestEncodeAllocatesNothing(t *testing.T) {
	f, buf := sample(), make([]byte, reading.Size)
	if n := testing.AllocsPerRun(100, func() { f.Encode(buf) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	for _, g := range golden {
		b, _ := hex.DecodeString(strings.ReplaceAll(g.hex, " ", ""))
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		frame, err := reading.Decode(in)
		if err != nil {
			if !errors.Is(err, reading.ErrMalformed) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		out := make([]byte, reading.AlertSize)
		n, err := frame.Encode(out)
		if err != nil {
			t.Fatalf("decoded and not encoded: %v", err)
		}
		if !bytes.Equal(out[:n], in) {
			t.Fatalf("two encodings of one frame:\n%x\n%x", in, out[:n])
		}
	})
}
