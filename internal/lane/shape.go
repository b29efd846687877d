package lane

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// shape is what checkShape wants of a JSON value. encoding/json alone takes
// keys in any letters, twice, or not at all, and null for anything.
type shape struct {
	keys []string          // of an object: exactly these; nil: any, each once
	in   map[string]*shape // shapes of values by key; a missing one is a plain value
	each *shape            // of an array: the shape of every element
}

var (
	laneKeys   = []string{"queue", "urgent", "routine", "ack"}
	anyKeys    = &shape{}
	startShape = &shape{
		keys: []string{"v", "worker", "settings", "sensors", "send", "receive", "bell"},
		in: map[string]*shape{
			"worker":   {keys: []string{"id", "name"}},
			"settings": anyKeys,
			"sensors":  {each: &shape{keys: []string{"id", "name", "worker", "unit", "grant", "decode"}}},
			"send": {each: &shape{
				keys: slices.Concat(laneKeys, []string{"to", "bell", "bands", "full"}),
				in:   map[string]*shape{"bands": anyKeys},
			}},
			"receive": {each: &shape{keys: slices.Concat(laneKeys, []string{"from"})}},
		},
	}
)

func checkShape(b []byte, want *shape) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := walk(dec, want, "top"); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("bytes after the end")
	}
	return nil
}

// walk reads one value. It goes no deeper than want does, whatever is in the bytes.
func walk(dec *json.Decoder, want *shape, at string) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	delim, compound := tok.(json.Delim)
	switch {
	case tok == nil:
		return fmt.Errorf("%s: null", at)
	case compound && want == nil:
		return fmt.Errorf("%s: want a plain value", at)
	case !compound && want != nil:
		return fmt.Errorf("%s: plain value where an object or array belongs", at)
	case !compound:
		return nil
	case delim == '[' && want.each != nil:
		for dec.More() {
			if err := walk(dec, want.each, at); err != nil {
				return err
			}
		}
	case delim == '{' && want.each == nil:
		if err := walkObject(dec, want, at); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%s: unexpected %v", at, delim)
	}
	_, err = dec.Token()
	return err
}

func walkObject(dec *json.Decoder, want *shape, at string) error {
	var seen []string
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		key, ok := tok.(string)
		switch {
		case !ok:
			return fmt.Errorf("%s: key is not a string", at)
		case slices.Contains(seen, key):
			return fmt.Errorf("%s: key %q twice", at, key)
		case want.keys != nil && !slices.Contains(want.keys, key):
			return fmt.Errorf("%s: unknown key %q", at, key)
		}
		seen = append(seen, key)
		if err := walk(dec, want.in[key], key); err != nil {
			return err
		}
	}
	for _, key := range want.keys {
		if !slices.Contains(seen, key) {
			return fmt.Errorf("%s: key %q is missing", at, key)
		}
	}
	return nil
}
