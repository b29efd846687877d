package config

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// valueType reads one kind of value. words says for people what it is.
type valueType struct {
	words  string
	read   func(r *reader, l literal) (any, bool)
	object *blockType // the table of an object's keys; nil for other values
}

// word is a text with its place, for checks that come later.
type word struct {
	text string
	rng  hcl.Range
}

func texts(words []word) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w.text
	}
	return out
}

// want reports a literal of the wrong kind.
func (r *reader) want(l literal, kind literalKind, words string) bool {
	if l.kind == kind {
		return true
	}
	f := fault{what: fmt.Sprintf("%s stands where %s is wanted", l.kind, words)}
	if strings.HasPrefix(words, "a duration") || strings.HasPrefix(words, "a size") {
		f.fix = "put it in quotes, with its unit"
	} else if kind == textLiteral && (l.kind == numberLiteral || l.kind == truthLiteral) {
		f.fix = fmt.Sprintf("text stands in quotes: %q", r.text(l.rng))
	}
	if kind == listLiteral && l.kind == textLiteral {
		f.fix = fmt.Sprintf("a list stands in brackets: [%q]", l.text)
	}
	if kind != textLiteral && kind != listLiteral && l.kind == textLiteral {
		f.fix = "remove the quotes"
	}
	r.fault(l.rng, f)
	return false
}

// format makes a value type of a text and a function that reads it.
func format[T any](words string, parse func(string) (T, fault)) valueType {
	return valueType{words: words, read: func(r *reader, l literal) (any, bool) {
		if !r.want(l, textLiteral, words) {
			return nil, false
		}
		v, f := parse(l.text)
		if f.what != "" {
			r.fault(l.rng, f)
			return nil, false
		}
		return v, true
	}}
}

func textOf(words string, check func(string) fault) valueType {
	return format(words, func(s string) (string, fault) { return s, check(s) })
}

func oneOf(choices ...string) valueType {
	words := "one of " + strings.Join(choices, ", ")
	return textOf(words, func(s string) fault {
		if slices.Contains(choices, s) {
			return fault{}
		}
		f := fault{what: fmt.Sprintf("%q is not %s", s, words)}
		if near := nearest(s, choices); near != "" {
			f.fix = fmt.Sprintf("did you mean %q?", near)
		}
		return f
	})
}

// pattern is a text that matches re whole; example shows one that does.
func pattern(words, re, example string) valueType {
	compiled := regexp.MustCompile("^(?:" + re + ")$")
	return textOf(words, func(s string) fault {
		if compiled.MatchString(s) {
			return fault{}
		}
		return fault{fmt.Sprintf("%q is not %s", s, words), "", fmt.Sprintf("write it as in %q", example)}
	})
}

func durationIn(least, most time.Duration) valueType {
	words := `a duration in quotes, as in "10s",`
	return format(words, func(s string) (time.Duration, fault) {
		d, f := parseDuration(s)
		if f.what == "" && (d < least || d > most) {
			f = fault{fmt.Sprintf("%q is out of bounds", s), "", fmt.Sprintf("write a duration from %q to %q", least, most)}
		}
		return d, f
	})
}

func sizeIn(least, most uint64, why string) valueType {
	return format(`a size in quotes, as in "64KiB",`, func(s string) (uint64, fault) {
		n, f := parseSize(s)
		if f.what == "" && (n < least || n > most) {
			f = fault{fmt.Sprintf("%q is out of bounds", s), why, fmt.Sprintf("write a size from %q to %q", sizeText(least), sizeText(most))}
		}
		return n, f
	})
}

func sizeText(n uint64) string {
	for i, unit := range []string{"GiB", "MiB", "KiB"} {
		if shift := 30 - 10*i; n >= 1<<shift && n%(1<<shift) == 0 {
			return fmt.Sprintf("%d%s", n>>shift, unit)
		}
	}
	return fmt.Sprintf("%dB", n)
}

func wholeNumber(least, most int) valueType {
	words := fmt.Sprintf("a whole number from %d to %d", least, most)
	return valueType{words: words, read: func(r *reader, l literal) (any, bool) {
		if !r.want(l, numberLiteral, words) {
			return nil, false
		}
		n, accuracy := l.number.Int64() // never builds the big integer that 1e999999999 would be
		if accuracy != 0 || n < int64(least) || n > int64(most) {
			r.fault(l.rng, fault{what: fmt.Sprintf("%s is not %s", r.text(l.rng), words)})
			return nil, false
		}
		return int(n), true
	}}
}

func decimal(bound float64) valueType {
	words := fmt.Sprintf("a number between -%g and %g", bound, bound)
	return valueType{words: words, read: func(r *reader, l literal) (any, bool) {
		if !r.want(l, numberLiteral, words) {
			return nil, false
		}
		f, _ := l.number.Float64()
		if math.Abs(f) > bound {
			r.fault(l.rng, fault{what: fmt.Sprintf("%s is not %s", r.text(l.rng), words)})
			return nil, false
		}
		return f, true
	}}
}

// text is what stands in the file. A number is never printed in another way: to
// write 1e999999999 in decimal takes gigabytes.
func (r *reader) text(rng hcl.Range) string {
	if !rng.CanSliceBytes(r.src) {
		return "this"
	}
	return printable(string(rng.SliceBytes(r.src)))
}

var truth = valueType{words: "true or false", read: func(r *reader, l literal) (any, bool) {
	return l.truth, r.want(l, truthLiteral, "true or false")
}}

// listOf reads a list without repetitions; every element is read by one.
func listOf(noun string, one valueType, repeats bool) valueType {
	words := "a list of " + noun
	return valueType{words: words, read: func(r *reader, l literal) (any, bool) {
		if !r.want(l, listLiteral, words) {
			return nil, false
		}
		var out []word
		for _, e := range l.list {
			v, ok := one.read(r, e)
			if !ok {
				continue
			}
			s := v.(string)
			if !repeats && slices.ContainsFunc(out, func(w word) bool { return w.text == s }) {
				r.fault(e.rng, fault{fmt.Sprintf("%q stands twice in the list", s), "", "remove one of them"})
				continue
			}
			out = append(out, word{s, e.rng})
		}
		return out, true
	}}
}
