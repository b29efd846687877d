package main

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/attest"
	"sallyport/internal/cgroup"
	"sallyport/internal/config"
	"sallyport/internal/install"
)

// protection is something the design promises and this system cannot give.
type protection struct {
	Name   string `json:"protection"`
	Why    string `json:"why"`
	Waived bool   `json:"waived"`
}

// protect finds out what can be had here and refuses to go on without one that
// nobody waived. Where there is a place for cgroups it is prepared.
func (s *supervisor) protect(cfg *config.Config) error {
	list, abi, place := install.Here{Rootless: s.options.rootless, CPU: slices.ContainsFunc(cfg.Workers, limitsCPU)}.Missing()
	var refused []string
	s.missing = []protection{}
	for _, p := range list {
		waived := slices.Contains(cfg.Supervisor.Waive, p.Name)
		s.missing = append(s.missing, protection{p.Name, p.Why, waived})
		if !waived {
			refused = append(refused, fmt.Sprintf("%s cannot be had here: %s", p.Name, p.Why))
			continue
		}
		s.log.Warn("not enforced", "protection", p.Name, "why", p.Why)
	}
	if len(refused) > 0 {
		names := make([]string, len(list))
		for i, p := range list {
			names[i] = fmt.Sprintf("%q", p.Name)
		}
		return fmt.Errorf("%s: %s\n  to run without: supervisor { waive = [%s] }", s.options.file, strings.Join(refused, "\n  "), strings.Join(names, ", "))
	}
	s.landlock = abi
	if place == nil {
		return nil
	}
	groups, err := place.Open(cfg.Supervisor.Name)
	if err != nil {
		return fmt.Errorf("cgroups for the workers: %w", err)
	}
	s.cgroups = groups
	return nil
}

func limitsCPU(w config.Worker) bool { return w.Limits.CPU > 0 }

// group makes the cgroup of a worker's process; nil where there are none.
func (w *worker) group() (*cgroup.Group, error) {
	if w.s.cgroups == nil {
		return nil, nil
	}
	l := w.cfg.Limits
	g, err := w.s.cgroups.Make(w.cfg.Name, cgroup.Limits{Memory: l.Memory, Tasks: l.Tasks, CPU: l.CPU})
	if err != nil {
		return nil, fmt.Errorf("its cgroup: %w", err)
	}
	return g, nil
}

// checkCPU refuses, at a reload, a limit of CPU time that cannot be had.
func (s *supervisor) checkCPU(cfg *config.Config) error {
	if !slices.ContainsFunc(cfg.Workers, limitsCPU) || s.cgroups != nil && s.cgroups.Has(cgroup.CPU) || slices.Contains(cfg.Supervisor.Waive, install.CgroupCPU) {
		return nil
	}
	return fmt.Errorf("limits { cpu } cannot be had here: the supervisor has no cgroup with the controller cpu; to run without: waive = [%q]", install.CgroupCPU)
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
