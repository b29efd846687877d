package main

import (
	"fmt"
	"slices"

	"sallyport/internal/attest"
	"sallyport/internal/config"
	"sallyport/internal/install"
)

// protection is something the design promises and this system cannot give.
type protection struct {
	Name   string `json:"protection"`
	Why    string `json:"why"`
	Waived bool   `json:"waived"`
}

// missing lists what cannot be enforced here. Without root there is one id for
// all, so the modes of the queues and the kernel's checks of signals tell no
// worker from another: the filter alone does.
func (s *supervisor) missing() []protection {
	list := []protection{}
	if s.options.rootless {
		list = append(list, protection{Name: install.OwnUID,
			Why: "without root every worker has the same user id; queue modes and signal checks protect nothing between workers, the filter alone does"})
	}
	for i := range list {
		list[i].Waived = slices.Contains(s.now().cfg.Supervisor.Waive, list[i].Name)
	}
	return list
}

// checkProofs refuses a level of proof that cannot be had here.
func (s *supervisor) checkProofs(cfg *config.Config) error {
	for _, w := range cfg.Workers {
		if w.Proof < attest.DumpLevel {
			continue
		}
		if err := attest.Dumps(); err != nil {
			return fmt.Errorf("%s:%d: worker %q: proof = %d cannot be had here: %w", s.options.file, w.Pos.Line, w.Name, w.Proof, err)
		}
		return nil
	}
	return nil
}
