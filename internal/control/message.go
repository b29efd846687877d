package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
)

const (
	version    = 1
	maxRequest = 4 << 10 // bytes of one request line
)

// Request is what a client asks.
type Request struct {
	V      int             `json:"v"`
	Verb   string          `json:"verb"`
	Args   json.RawMessage `json:"args,omitempty"`
	Follow bool            `json:"follow,omitempty"`

	conn *net.UnixConn
}

// Fault is an error as the command shows it: what went wrong, where, why, and
// what to do. It is an error itself.
type Fault struct {
	Code  string `json:"code"`
	What  string `json:"what"`
	Where string `json:"where,omitempty"`
	Why   string `json:"why,omitempty"`
	Fix   string `json:"fix,omitempty"`
}

func (f *Fault) Error() string {
	text := f.Code + ": " + f.What
	for _, part := range []string{f.Where, f.Why, f.Fix} {
		if part != "" {
			text += "; " + part
		}
	}
	return text
}

type answer struct {
	V    int  `json:"v"`
	OK   bool `json:"ok,omitempty"`
	Item any  `json:"item,omitempty"`
	End  bool `json:"end,omitempty"`
}

type refusal struct {
	V  int  `json:"v"`
	OK bool `json:"ok"`
	*Fault
}

// parseRequest takes one line. Unknown keys, a foreign version and trailing
// text are faults: a typing error must not pass as something else.
func parseRequest(line []byte) (Request, *Fault) {
	var r Request
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, &Fault{Code: "SP0401", What: "the request is not a JSON object of the known keys", Why: err.Error(),
			Fix: `send {"v":1,"verb":"status"} and a line end`}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return r, &Fault{Code: "SP0401", What: "the request line holds more than one JSON object", Fix: "send one object a line"}
	}
	if r.V != version {
		return r, &Fault{Code: "SP0402", What: fmt.Sprintf("the request has version %d", r.V),
			Why: "this supervisor speaks version 1", Fix: "use the command of the same release"}
	}
	return r, nil
}
