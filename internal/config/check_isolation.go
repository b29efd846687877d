package config

import "fmt"

// checkIsolation holds a shared queue, keys and the IPC namespace against each
// other: what others may use has to be where others are, and nothing else.
func (r *reader) checkIsolation(top *node) {
	host := false
	if n := top.block("supervisor"); n != nil {
		host = get[string](supervisorBlock, "ipc_namespace", n) == "host"
	}
	for _, q := range top.all("queue") {
		shared := get[string](q.t, "isolation", q) == "shared"
		if host && !shared {
			r.in(q, q.rng, fault{"a queue of a lane for each worker cannot be in the machine's IPC namespace", "everybody there could see its lanes, and a supervisor that is killed would leave them behind", `set isolation = "shared", or remove ipc_namespace`})
		}
		keys := map[int]bool{}
		for _, urgency := range []string{"urgent", "routine"} {
			l := q.block(urgency)
			if l == nil {
				continue
			}
			if l.has("key") {
				r.checkKey(l, shared, host, keys)
			}
			if !shared {
				continue
			}
			if l.has("flood") && get[Flood](l.t, "flood", l).Percent > 0 {
				r.in(l, l.at("flood"), fault{"flood does not go with a shared queue", "its lanes do not say who fills them", "remove flood"})
			}
			if urgency == "routine" && get[string](l.t, "full", l) == "block" {
				r.in(l, l.at("full"), fault{`full = "block" does not go with a shared queue`, "a revoke of one sender would wake all of them with an error", `remove it; "drop-new" is the default`})
			}
		}
		for _, w := range top.all("worker") {
			for _, part := range w.all("queue") {
				if shared && part.label == q.label {
					r.checkCompeting(part)
				}
			}
		}
	}
}

func (r *reader) checkKey(l *node, shared, host bool, keys map[int]bool) {
	key := get[int](l.t, "key", l)
	switch {
	case !shared:
		r.in(l, l.at("key"), fault{"a key is for a shared queue", "every other has a lane for each sender and receiver", `set isolation = "shared", or remove the key`})
	case !host:
		r.in(l, l.at("key"), fault{"nobody could use the key", "the queue is in an IPC namespace of the supervisor's own", `add ipc_namespace = "host" to supervisor {}, or remove the key`})
	case keys[key]:
		r.in(l, l.at("key"), fault{fmt.Sprintf("the key %d is taken by the other lane", key), "", "give each a key of its own"})
	}
	keys[key] = true
}

// checkCompeting: a receiver of a shared queue takes what is next, whatever it is.
func (r *reader) checkCompeting(part *node) {
	list := get[[]word](part.t, "receive", part)
	if len(list) > 0 && (len(list) != 1 || list[0].text != "*") {
		r.in(part, list[0].rng, fault{"a receiver of a shared queue cannot choose bands", "what it left would be nobody's", `write receive = ["*"]`})
	}
}
