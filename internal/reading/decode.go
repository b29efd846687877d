package reading

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Decodings lists, for messages and reference pages, the forms that
// ParseDecode takes.
var Decodings = []struct{ Form, Meaning string }{
	{"raw", "the whole text is the number"},
	{"milli", "the whole text is an integer number of thousandths"},
	{"micro", "the whole text is an integer number of millionths"},
	{"field:N", "the N-th word of the first line, counted from 0"},
	{"key:NAME", "the first word after NAME at the start of a line, as in /proc/meminfo"},
	{"psi:LINE.KEY", "pressure stall text: LINE is some or full; KEY is avg10, avg60, avg300 or total"},
}

// maxField is the highest word number that "field:N" may name.
const maxField = 63

// Decoding says how the text of an attribute becomes one number. The zero
// value is "raw".
type Decoding struct {
	form  form
	field int
	line  string // "some" or "full"
	key   string
	text  string
}

type form uint8

const (
	formRaw form = iota
	formMilli
	formMicro
	formField
	formKey
	formPSI
)

// ParseDecode reads a decode string of the configuration; "" is "raw". The
// error says which forms there are.
func ParseDecode(s string) (Decoding, error) {
	name, arg, hasArg := strings.Cut(s, ":")
	d := Decoding{text: s}
	switch {
	case s == "" || s == "raw":
	case s == "milli":
		d.form = formMilli
	case s == "micro":
		d.form = formMicro
	case name == "field" && hasArg:
		n, err := strconv.ParseUint(arg, 10, 8)
		if err != nil || n > maxField {
			return Decoding{}, fmt.Errorf("decode %q: the word number is not one of 0 to %d", s, maxField)
		}
		d.form, d.field = formField, int(n)
	case name == "key" && hasArg:
		if arg == "" || strings.ContainsAny(arg, " \t\r\n:") {
			return Decoding{}, fmt.Errorf("decode %q: after \"key:\" comes one word without spaces and colons", s)
		}
		d.form, d.key = formKey, arg
	case name == "psi" && hasArg:
		line, key, _ := strings.Cut(arg, ".")
		if line != "some" && line != "full" {
			return Decoding{}, fmt.Errorf("decode %q: the line is \"some\" or \"full\", as in \"psi:some.avg10\"", s)
		}
		switch key {
		case "avg10", "avg60", "avg300", "total":
		default:
			return Decoding{}, fmt.Errorf("decode %q: the key is avg10, avg60, avg300 or total, as in \"psi:some.avg10\"", s)
		}
		d.form, d.line, d.key = formPSI, line, key
	default:
		return Decoding{}, fmt.Errorf("decode %q is not a form: use raw, milli, micro, field:N, key:NAME or psi:some.avg10", s)
	}
	return d, nil
}

// String returns the text that ParseDecode was given.
func (d Decoding) String() string {
	if d.text == "" {
		return "raw"
	}
	return d.text
}

// Value takes the number out of raw, the bytes of one pread of the attribute
// at offset 0. Numbers are decimal; NaN, infinities and values that do not fit
// a float64 are errors, as is text without the field or key.
func (d Decoding) Value(raw []byte) (float64, error) {
	switch d.form {
	case formField:
		line, _, _ := bytes.Cut(raw, []byte("\n"))
		words := bytes.Fields(line)
		if d.field >= len(words) {
			return 0, fmt.Errorf("decode %s: the line has %d words: %s", d, len(words), cut(line))
		}
		return d.number(words[d.field])
	case formKey:
		for line := range bytes.Lines(raw) {
			rest, ok := bytes.CutPrefix(line, []byte(d.key))
			if !ok || len(rest) == 0 || rest[0] != ':' && rest[0] != ' ' && rest[0] != '\t' {
				continue
			}
			return d.number(firstWord(bytes.TrimPrefix(rest, []byte(":"))))
		}
		return 0, fmt.Errorf("decode %s: no line begins with %q", d, d.key)
	case formPSI:
		for line := range bytes.Lines(raw) {
			words := bytes.Fields(line)
			if len(words) == 0 || string(words[0]) != d.line {
				continue
			}
			for _, w := range words[1:] {
				if key, v, ok := bytes.Cut(w, []byte("=")); ok && string(key) == d.key {
					return d.number(v)
				}
			}
		}
		return 0, fmt.Errorf("decode %s: no such value in %s", d, cut(raw))
	case formMilli:
		return d.scaled(raw, 1e3)
	case formMicro:
		return d.scaled(raw, 1e6)
	}
	return d.number(bytes.TrimSpace(raw))
}

func (d Decoding) scaled(raw []byte, by float64) (float64, error) {
	n, err := strconv.ParseInt(string(bytes.TrimSpace(raw)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("decode %s: %s is not an integer", d, cut(raw))
	}
	return float64(n) / by, nil
}

func (d Decoding) number(word []byte) (float64, error) {
	// ParseFloat also takes hexadecimal, "inf" and "nan", which no attribute means.
	if len(word) == 0 || bytes.ContainsFunc(word, func(r rune) bool {
		return (r < '0' || r > '9') && !strings.ContainsRune("+-.eE", r)
	}) {
		return 0, fmt.Errorf("decode %s: %s is not a decimal number", d, cut(word))
	}
	v, err := strconv.ParseFloat(string(word), 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, fmt.Errorf("decode %s: %s is not a decimal number that fits", d, cut(word))
	}
	return v, nil
}

func firstWord(b []byte) []byte {
	if words := bytes.Fields(b); len(words) > 0 {
		return words[0]
	}
	return nil
}

// cut quotes at most 40 bytes of what a file held, for an error text.
func cut(b []byte) string {
	if len(b) > 40 {
		return strconv.Quote(string(b[:40])) + "..."
	}
	return strconv.Quote(string(b))
}
