package config

import "fmt"

// dumpLevel is the proof without which nothing is handed over that a worker is to
// have alone: the kernel's own dump of its filter.
const dumpLevel = 4

// buildHandover is how a socket is handed over. A listener stays open over the
// lives of its workers, or whoever connects between two of them is refused; a
// connection belongs to one process.
func (r *reader) buildHandover(n *node, listens bool) string {
	usual, other, what := "move", "exclusive", "connection"
	if listens {
		usual, other, what = "share", "lend", "listener"
	}
	mode := get[string](n.t, "handover", n)
	switch mode {
	case "":
		return usual
	case usual, other:
		return mode
	}
	r.in(n, n.at("handover"), fault{fmt.Sprintf("a %s cannot be handed over by %s", what, mode), "a listener stays with the supervisor, a connection is one process's alone", fmt.Sprintf("use %s or %s", usual, other)})
	return usual
}

// checkHandover holds what is handed over in a mode that needs a worker's help
// against what the worker speaks and proves.
func (r *reader) checkHandover(n *node, c *Config, defaults *node) {
	level := get[int](n.t, "protocol", n)
	proof := get[int](n.t, "proof", n, defaults)
	for _, list := range []struct {
		name string
		mode func(string) string
	}{
		{"devices", func(name string) string { d, _ := c.Device(name); return d.Handover }},
		{"sockets", func(name string) string { s, _ := c.Socket(name); return s.Handover }},
	} {
		for _, w := range get[[]word](n.t, list.name, n) {
			mode := list.mode(w.text)
			switch {
			case mode != "exclusive" && mode != "lend":
			case level < 2:
				r.in(n, w.rng, fault{fmt.Sprintf("%q is handed over by %s, and the worker speaks protocol %d", w.text, mode, level), "COMMIT and REVOKE are of protocol 2", "use another handover, or a worker of protocol 2"})
			case mode == "exclusive" && proof < dumpLevel:
				r.in(n, w.rng, fault{fmt.Sprintf("%q is handed over by exclusive, and the worker proves level %d", w.text, proof), "what a worker has alone needs the kernel's own word of its filter", fmt.Sprintf("set proof = %d", dumpLevel)})
			}
		}
	}
}
