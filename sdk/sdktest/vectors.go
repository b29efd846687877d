package sdktest

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
)

// Vector is one line of the vectors: BYTES, and what the side that judges them
// says, in the state in which it does.
type Vector struct {
	Form, Name, Verdict string
	Epoch               uint32   // of the judging side; 0 before HELLO and WELCOME
	Next                uint64   // number of the record that is judged
	Bytes               []byte   // nil for none
	Tail                []string // what the form adds
}

// OK says that the vector is to be accepted.
func (v Vector) OK() bool { return v.Verdict == "ok" }

// Vectors reads the file at path. Names are unique.
func Vectors(t testing.TB, path string) []Vector {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []Vector
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		v, err := parse(fields)
		if err != nil || seen[v.Name] {
			t.Fatalf("%.60s...: twice, or %v", line, err)
		}
		seen[v.Name] = true
		all = append(all, v)
	}
	return all
}

func parse(fields []string) (Vector, error) {
	if len(fields) < 5 {
		return Vector{}, fmt.Errorf("%d fields", len(fields))
	}
	v := Vector{Form: fields[0], Name: fields[1], Verdict: fields[2], Tail: fields[5:]}
	if fields[3] != "-" {
		if _, err := fmt.Sscanf(fields[3], "%d/%d", &v.Epoch, &v.Next); err != nil {
			return v, fmt.Errorf("state %q: %w", fields[3], err)
		}
	}
	if fields[4] == "-" {
		return v, nil
	}
	var err error
	v.Bytes, err = hex.DecodeString(fields[4])
	return v, err
}
