package reading

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// check is what Encode and Decode both ask of a frame.
func (f *Frame) check() error {
	switch {
	case f.Kind < Reading || f.Kind > Ack:
		return malformed("unknown %v", f.Kind)
	case f.Band == 0:
		// The band is the message type, which msgsnd wants above 0.
		return malformed("band 0")
	case f.Seq == 0:
		return malformed("sequence number 0")
	case f.Flags&^knownFlags != 0:
		return malformed("unknown flags %#x", f.Flags&^knownFlags)
	case math.IsNaN(f.Value) || math.IsInf(f.Value, 0):
		// No consumer can store one: neither JSON nor a mean knows what to do.
		return malformed("value %v is not finite", f.Value)
	case len(f.Unit) > MaxUnit || !printable(f.Unit):
		return malformed("unit %q, want at most %d printable bytes", f.Unit, MaxUnit)
	case f.Text != "" && f.Kind != Alert:
		return malformed("%v with a text", f.Kind)
	case len(f.Text) > MaxText || !printable(f.Text):
		return malformed("text %q, want at most %d printable bytes", f.Text, MaxText)
	}
	return nil
}

// CutText makes any string fit to be the text of an alert: what is not
// printable becomes U+FFFD, and what is longer than MaxText bytes is cut at a
// character. An alert is never refused because of the words in it.
func CutText(s string) (text string, cut bool) {
	if !printable(s) {
		s = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return utf8.RuneError
			}
			return r
		}, strings.ToValidUTF8(s, string(utf8.RuneError)))
	}
	if len(s) <= MaxText {
		return s, false
	}
	end := MaxText
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end], true
}

// printable is UTF-8 without control characters: these strings end in terminals
// and in files of lines.
func printable(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// unpad returns what is before the first zero byte, and whether all after it is zero.
func unpad(b []byte) ([]byte, bool) {
	head, tail, _ := bytes.Cut(b, []byte{0})
	for _, c := range tail {
		if c != 0 {
			return nil, false
		}
	}
	return head, true
}

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, a...))
}
