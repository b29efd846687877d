package sdktest_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"sallyport/internal/lane"
	"sallyport/internal/reading"
	"sallyport/sdk/sdktest"
)

const vectorFile = "../../pkg/scmrights/testdata/vectors.txt"

// judges says whether a worker judges a vector, or makes it.
func judges(v sdktest.Vector) bool {
	switch v.Form {
	case "down", "frame", "start":
		return true
	case "up", "receipt":
		return v.OK()
	}
	return false
}

// TestVectors gives every language the whole file, and compares the word of each
// verdict, and of what is accepted the bytes that it makes again.
func TestVectors(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		file, err := os.Open(vectorFile)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		cmd := l.command(t, "vectors")
		cmd.Stdin = file
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err, stderr(err))
		}
		said := map[string][]string{}
		for line := range strings.Lines(string(out)) {
			fields := strings.Fields(line)
			said[fields[0]] = fields[1:]
		}
		judged := 0
		for _, v := range sdktest.Vectors(t, vectorFile) {
			if !judges(v) {
				continue
			}
			judged++
			got := said[v.Name]
			if len(got) == 0 || got[0] != v.Verdict {
				t.Errorf("%s: %q, want %s", v.Name, got, v.Verdict)
				continue
			}
			if v.OK() {
				again, err := hex.DecodeString(strings.Join(got[1:], ""))
				if err != nil || !same(v, again) {
					t.Errorf("%s: %v, made again it is\n%x, want\n%x", v.Name, err, again, v.Bytes)
				}
			}
		}
		if judged != len(said) || judged < 150 {
			t.Errorf("%d vectors are for workers, %d were judged", judged, len(said))
		}
	})
}

func same(v sdktest.Vector, again []byte) bool {
	if v.Form != "start" {
		return bytes.Equal(v.Bytes, again)
	}
	want, err := lane.DecodeStart(v.Bytes)
	got, err2 := lane.DecodeStart(again)
	return err == nil && err2 == nil && reflect.DeepEqual(want, got)
}

// TestGoVectors is the same for what Go has outside pkg/scmrights: frames,
// START and the two reports.
func TestGoVectors(t *testing.T) {
	words := map[string]string{
		"size": "bytes", "version": "version", "kind": "unknown kind", "band": "band", "seq": "sequence number", "flags": "flags",
		"value": "finite", "unit": "unit", "text": "text", "reserved": "reserved", "start": "start",
	}
	for _, v := range sdktest.Vectors(t, vectorFile) {
		var again []byte
		var err error
		switch v.Form {
		case "frame":
			var f reading.Frame
			if f, err = reading.Decode(v.Bytes); err == nil {
				again = make([]byte, reading.AlertSize)
				var n int
				n, err = f.Encode(again)
				again = again[:n]
			}
		case "start":
			_, err = lane.DecodeStart(v.Bytes)
			again = v.Bytes
		case "seen":
			var s lane.Seen
			s, err = lane.DecodeSeen(v.Bytes)
			again = s.Append(nil)
		case "count":
			var c lane.Count
			c, err = lane.DecodeCount(v.Bytes)
			again = c.Append(nil)
		default:
			continue
		}
		switch {
		case v.OK() && (err != nil || !bytes.Equal(again, v.Bytes)):
			t.Errorf("%s: %v\n got %x\nwant %x", v.Name, err, again, v.Bytes)
		case !v.OK() && (err == nil || !strings.Contains(err.Error(), words[v.Verdict])):
			t.Errorf("%s: %v, want %q in it", v.Name, err, words[v.Verdict])
		}
	}
}

func stderr(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(exit.Stderr)
	}
	return ""
}
