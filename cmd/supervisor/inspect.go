package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"sallyport/internal/attest"
	"sallyport/internal/control"
)

// inspection is the item that answers `inspect`.
type inspection struct {
	Worker string       `json:"worker"`
	State  string       `json:"state"`
	PID    int          `json:"pid"`
	Epoch  uint32       `json:"epoch"`
	Chain  chain        `json:"chain"`
	Proof  proofTaken   `json:"proof"`
	Now    *attest.View `json:"now"`
}

// chain leads from the text of the profile to what the kernel says is in force.
// Every hash is a SHA-256.
type chain struct {
	Profile      string `json:"profile"`
	ProfileHash  string `json:"profile_sha256"` // its file and those it includes, in the order they are read
	Instructions int    `json:"instructions"`
	VerifiedHash string `json:"verified_sha256"` // the program that was compiled and verified
	LoadedHash   string `json:"loaded_sha256"`   // with this worker's pid in it
	DumpHash     string `json:"dump_sha256"`     // what the kernel gave out, now; "" when it gives nothing
	DumpMissing  string `json:"dump_missing"`    // why it gives nothing
	Same         bool   `json:"same"`            // the dump is what was loaded
}

type proofTaken struct {
	Level   int       `json:"level"`
	Asked   int       `json:"asked"`
	Taken   time.Time `json:"taken"`
	Threads int       `json:"threads"`
	TookUS  []int64   `json:"took_us"` // level by level
}

// inspect is the verb that shows the proof of one worker in full, and how it is
// now.
func (s *supervisor) inspect(_ context.Context, r control.Request, emit func(any) error) error {
	var o workerOrder
	if err := decodeArgs(r, &o, `{"worker":"sampler"}`); err != nil {
		return err
	}
	w := s.now().worker(o.Worker)
	if w == nil {
		return s.noWorker(o.Worker)
	}
	st := w.status()
	if st.session == nil {
		return &control.Fault{Code: "SP0436", What: fmt.Sprintf("worker %q is not ready", st.Worker), Where: st.State, Why: st.LastExit,
			Fix: "a worker is proved before it is ready; see `sallyport status`"}
	}
	item, err := st.session.inspect(st)
	if err != nil {
		return &control.Fault{Code: "SP0436", What: fmt.Sprintf("worker %q cannot be looked at", st.Worker), Why: err.Error(), Fix: "see `sallyport status`"}
	}
	return emit(item)
}

func (x *session) inspect(st workerStatus) (*inspection, error) {
	view, err := attest.Look(x.proc)
	if err != nil {
		return nil, err
	}
	for i := range view.Descriptors {
		for _, g := range st.Grants {
			if int(g.Number) == view.Descriptors[i].Number {
				view.Descriptors[i].Grant = g.Name
			}
		}
	}
	notice, _ := x.proc.ExecNotice()
	f := x.filter
	c := chain{Profile: x.w.cfg.Policy, ProfileHash: hex.EncodeToString(f.text[:]), Instructions: len(f.program.BPF) / 8,
		VerifiedHash: hex.EncodeToString(f.program.Hash[:]), LoadedHash: hex.EncodeToString(notice.Filter[:])}
	if dump, err := attest.Dump(x.proc); err != nil {
		c.DumpMissing = err.Error()
	} else {
		c.DumpHash, c.Same = hex.EncodeToString(dump[:]), dump == notice.Filter
	}
	at, threads := x.proof.Taken()
	p := proofTaken{Level: x.proof.Level(), Asked: x.w.cfg.Proof, Taken: at.UTC(), Threads: threads}
	for level := 1; level <= p.Level; level++ {
		p.TookUS = append(p.TookUS, x.proof.Took(level).Microseconds())
	}
	return &inspection{Worker: st.Worker, State: st.State, PID: st.PID, Epoch: st.Epoch, Chain: c, Proof: p, Now: view}, nil
}
