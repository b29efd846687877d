package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sallyport/internal/config"
)

const native = `supervisor {
  ids = "20000-20009"
}
device "load" { file = { path = "/proc/loadavg", decode = "field:0" } }
device "sine" {
  sim = { wave = "sine", period = "30s", min = -1.5, max = 9 }
}
queue "readings" {
  urgent { bands = { alert = 1 } }
  routine {
    bands = { reading = 9 }
    full  = "block"
  }
}
worker "one" {
  command  = ["one", "a \"b\" \\", "ü"]
  settings = { every = "$${x} 10s" }
  devices  = ["load", "sine"]
  policy   = "p"
  queue "readings" { send = ["*"] }
}
worker "two" {
  command = ["two"]
  policy  = "p"
  enabled = false
}
`

const inJSON = `{
  "supervisor": {"ids": "20000-20009"},
  "device": {
    "load": {"file": {"path": "/proc/loadavg", "decode": "field:0"}},
    "sine": [{"sim": {"wave": "sine", "period": "30s", "min": -1.5, "max": 9}}]
  },
  "queue": {"readings": {
    "urgent": {"bands": {"alert": 1}},
    "routine": {"bands": {"reading": 9}, "full": "block"}
  }},
  "worker": [
    {"one": {"command": ["one", "a \"b\" \\", "\u00fc"], "settings": {"every": "${x} 10s"}, "devices": ["load", "sine"], "policy": "p",
      "queue": {"readings": {"send": ["*"]}}}},
    {"two": {"command": ["two"], "policy": "p", "enabled": false}}
  ]
}
`

// TestJSONSaysTheSame: both forms give one configuration.
func TestJSONSaysTheSame(t *testing.T) {
	a, err := config.Parse("house.hcl", []byte(native))
	if err != nil {
		t.Fatal(err)
	}
	b, err := config.Parse("house.hcl.json", []byte(inJSON))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b, cmpopts.IgnoreTypes(config.Pos{}), cmpopts.IgnoreFields(config.Config{}, "Path", "Source")); diff != "" {
		t.Errorf("(-native +json)\n%s", diff)
	}
	if b.Workers[0].Pos.Line != 12 {
		t.Errorf("the worker stands in %v", b.Workers[0].Pos)
	}
}

// TestJSONFaults: each with its place.
func TestJSONFaults(t *testing.T) {
	for name, c := range map[string]struct{ src, want string }{
		"no JSON":        {`{"worker": }`, `x.json:1:12: this is no JSON`},
		"ends early":     {`{"worker": {`, `x.json:1:13: this is no JSON`},
		"no object":      {`["worker"]`, `x.json:1:1: a configuration is an object`},
		"two":            {`{"worker": {"w": {"command": ["w"], "policy": "p"}}} {}`, `x.json:1:54: something follows the object`},
		"deep":           {`{"a": ` + strings.Repeat("[", 1000), `x.json:1:38: this is nested too deeply`},
		"unknown":        {"{\n \"wroker\": {}\n}", `x.json:2:2: there is no attribute "wroker" here`},
		"block is text":  {`{"supervisor": "x"}`, `x.json:1:16: supervisor is a block, not a value`},
		"twice":          {"{\"worker\": {\"w\": {\"policy\": \"p\", \"command\": [\"w\"],\n\"policy\": \"q\"}}}", `x.json:2:1: the key "policy" stands twice`},
		"block twice":    {`{"worker": {"w": {"policy": "p", "command": ["w"]}, "w": {"policy": "p", "command": ["w"]}}}`, `x.json:1:53: there are two blocks worker "w"`},
		"wrong kind":     {`{"worker": {"w": {"policy": "p", "command": "w"}}}`, `x.json:1:45: worker "w": text stands where a list of a program and its arguments is wanted`},
		"after escapes":  {`{"worker": {"w": {"policy": "p", "command": ["\"\\\""], "after": [1]}}}`, `x.json:1:67: worker "w": a number stands where`},
		"a huge number":  {`{"defaults": {"proof": 1e999999999}, "worker": {"w": {"policy": "p", "command": ["w"]}}}`, `x.json:1:24: defaults: 1e999999999 is not`},
		"name of worker": {`{"worker": {"9 w": {"policy": "p", "command": ["w"]}}}`, `x.json:1:13: "9 w" is not a name`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse("x.json", []byte(c.src))
			var problems config.Problems
			if !errors.As(err, &problems) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
}

// TestJSONIsBounded: the same bounds hold for this form.
func TestJSONIsBounded(t *testing.T) {
	for name, src := range map[string]string{
		"10 MB":      `{"a": "` + strings.Repeat("x", 10<<20) + `"}`,
		"brackets":   strings.Repeat(`{"a":`, 50000),
		"names":      `{"worker": {` + strings.TrimSuffix(strings.Repeat(`"w": {},`, 20000), ",") + `}}`,
		"quotes":     `{"a": "` + strings.Repeat(`\"`, 100000) + `"}`,
		"attributes": `{` + strings.TrimSuffix(strings.Repeat(`"a":1,`, 30000), ",") + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			if _, err := config.Parse("x.json", []byte(src)); err == nil {
				t.Error("accepted")
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %v", took)
			}
		})
	}
}
