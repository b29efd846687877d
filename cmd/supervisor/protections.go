package main

import (
	"slices"

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
