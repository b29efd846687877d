package config

import (
	"fmt"
	"slices"
)

// checkTurn is about when a worker starts: after whom, and on what.
func (r *reader) checkTurn(n *node, workers []*node, c *Config) {
	names := labels(workers)
	for _, w := range get[[]word](n.t, "after", n) {
		i := slices.Index(names, w.text)
		switch {
		case w.text == n.label:
			r.in(n, w.rng, fault{"the worker waits for itself", "", "remove it from after"})
		case i < 0:
			r.in(n, w.rng, fault{fmt.Sprintf("there is no worker %q", w.text), "", didYouMean(w.text, names, "worker")})
		case get[bool](n.t, "enabled", n) && !get[bool](n.t, "enabled", workers[i]):
			r.in(n, w.rng, fault{fmt.Sprintf("it waits for %q, which is not enabled", w.text), "it would never start", "enable that worker, or remove it from after"})
		}
	}
	if get[string](n.t, "start", n) != "on-connect" {
		return
	}
	listens := slices.ContainsFunc(get[[]word](n.t, "sockets", n), func(w word) bool {
		s, known := c.Socket(w.text)
		return known && s.Listen
	})
	if !listens {
		r.in(n, n.at("start"), fault{"nobody can connect to this worker", "it has no socket that is listened on", `give it one in sockets, or remove start = "on-connect"`})
	}
}
