package lane_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/lane"
)

func goldenStart() *lane.Start {
	return &lane.Start{
		V:        1,
		Worker:   lane.StartWorker{ID: 1, Name: "sampler"},
		Settings: map[string]string{"every": "10s"},
		Sensors:  []lane.Sensor{{ID: 7, Name: "load", Worker: 1, Grant: "load", Decode: "field:0"}},
		Send: []lane.Out{{Queue: "readings", To: 2, Urgent: 11, Routine: 12, Ack: 13, Bell: "bell.store",
			Bands: map[string]uint16{"alert": 1, "reading": 9}, Full: lane.DropNew}},
		Receive: []lane.In{{Queue: "readings", From: 1, Urgent: 21, Routine: 22, Ack: 23}},
		Bell:    "bell",
	}
}

func TestStartGolden(t *testing.T) {
	want, err := os.ReadFile("testdata/start.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := goldenStart().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("encoded\n%s, want\n%s", got, want)
	}
	back, err := lane.DecodeStart(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(goldenStart(), back); diff != "" {
		t.Error(diff)
	}
}

func TestStartOfNothing(t *testing.T) {
	s := &lane.Start{Worker: lane.StartWorker{ID: 1, Name: "a<b"}, Send: []lane.Out{{}}}
	got, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"v":1,"worker":{"id":1,"name":"a<b"},"settings":{},"sensors":[],` +
		`"send":[{"queue":"","to":0,"urgent":0,"routine":0,"ack":0,"bell":"","bands":{},"full":"drop-new"}],"receive":[],"bell":""}`
	if string(got) != want {
		t.Errorf("encoded\n%s, want\n%s", got, want)
	}
	if _, err := lane.DecodeStart(got); err != nil {
		t.Error(err)
	}
	if s.V != 0 || s.Send[0].Bands != nil {
		t.Error("Encode changed its receiver")
	}
}

func TestDecodeStartRefuses(t *testing.T) {
	good, err := os.ReadFile("testdata/start.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown key":       {`"bell":"bell"}`, `"bell":"bell","x":1}`, `unknown key "x"`},
		"unknown inner key": {`"from":1,`, `"from":1,"mode":7,`, `unknown key "mode"`},
		"other letters":     {`"v":1`, `"V":1`, `unknown key "V"`},
		"missing key":       {`,"bell":"bell"}`, `}`, `"bell" is missing`},
		"key twice":         {`"v":1,`, `"v":1,"v":1,`, `"v" twice`},
		"setting twice":     {`"every":"10s"`, `"every":"10s","every":"1s"`, `"every" twice`},
		"null":              {`"id":7`, `"id":null`, "null"},
		"object for value":  {`"id":7`, `"id":{}`, "plain value"},
		"value for object":  {`{"every":"10s"}`, `1`, "plain value"},
		"array for object":  {`{"every":"10s"}`, `[]`, "unexpected"},
		"other version":     {`"v":1`, `"v":2`, "version 2"},
		"band too large":    {`"alert":1`, `"alert":65536`, "uint16"},
		"trailing bytes":    {`"bell":"bell"}`, `"bell":"bell"}{}`, "after the end"},
		"cut":               {`"bell":"bell"}`, `"bell":`, "EOF"},
	} {
		text := strings.Replace(string(good), c.old, c.new, 1)
		if text == string(good) {
			t.Fatalf("%s: nothing replaced", name)
		}
		if _, err := lane.DecodeStart([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestStartLimit(t *testing.T) {
	s := goldenStart()
	s.Settings["x"] = strings.Repeat("y", lane.MaxStart)
	if b, err := s.Encode(); err == nil {
		t.Errorf("encoded %d bytes", len(b))
	}
	if _, err := lane.DecodeStart(bytes.Repeat([]byte(" "), lane.MaxStart+1)); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Error(err)
	}
}

func TestReportsGolden(t *testing.T) {
	seen := lane.Seen{Seq: 1, From: 2, Sensor: 3, Overtook: 4, LatencyUS: 5}
	wantSeen := "0100000000000000" + "02000000" + "03000000" + "04000000" + "05000000" + "0000000000000000"
	if got := hex.EncodeToString(seen.Append(nil)); got != wantSeen {
		t.Errorf("seen %s, want %s", got, wantSeen)
	}
	count := lane.Count{Peer: 1, Role: lane.RoleSender, Urgent: true, Epoch: 2, First: 3, Last: 4, Gaps: 5, Dropped: 6, Taken: 7}
	wantCount := "01000000" + "01" + "01" + "0000" + "02000000" + "00000000" +
		"0300000000000000" + "0400000000000000" + "0500000000000000" + "0600000000000000" + "0700000000000000"
	if got := hex.EncodeToString(count.Append(nil)); got != wantCount {
		t.Errorf("count %s, want %s", got, wantCount)
	}
	if back, err := lane.DecodeSeen(seen.Append(nil)); err != nil || back != seen {
		t.Errorf("seen %+v, %v", back, err)
	}
	if back, err := lane.DecodeCount(count.Append(nil)); err != nil || back != count {
		t.Errorf("count %+v, %v", back, err)
	}
	for at := range lane.SeenSize {
		b := seen.Append(nil)
		b[at] ^= 0x80
		if _, err := lane.DecodeSeen(b); (err != nil) != (at >= 24) {
			t.Errorf("seen with byte %d changed: %v", at, err)
		}
	}
	for _, at := range []int{4, 5, 6, 7, 12, 15} {
		b := count.Append(nil)
		b[at] ^= 0x80
		if _, err := lane.DecodeCount(b); err == nil {
			t.Errorf("count with byte %d changed was taken", at)
		}
	}
	if _, err := lane.DecodeSeen(nil); err == nil {
		t.Error("empty seen was taken")
	}
	if _, err := lane.DecodeCount(make([]byte, lane.CountSize+1)); err == nil {
		t.Error("long count was taken")
	}
}

func FuzzDecodeStart(f *testing.F) {
	good, err := os.ReadFile("testdata/start.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := lane.DecodeStart(b)
		if err != nil {
			return
		}
		again, err := s.Encode()
		if err != nil {
			return // escapes can make it longer than the limit
		}
		if _, err := lane.DecodeStart(again); err != nil {
			t.Fatalf("not read again: %v\n%s", err, again)
		}
	})
}
