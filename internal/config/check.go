package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// reserved are names of grants that the supervisor makes by itself.
var reserved = []string{"bell"}

// check is about what blocks say of each other.
func (r *reader) check(top *node, c *Config, rules Rules) {
	r.checkSupervisor(top, c, rules)
	r.checkGrantNames(top)
	workers := top.all("worker")
	if len(workers) == 0 {
		r.fault(hcl.Range{Start: hcl.InitialPos}, fault{"there is no worker", "without one there is nothing to supervise", `add a block: worker "NAME" { ... }`})
	}
	for _, n := range workers {
		r.checkCommand(n, rules)
		r.references(n, "devices", top.all("device"), "device")
		r.references(n, "directories", top.all("directory"), "directory")
		r.references(n, "sockets", top.all("socket"), "socket")
		r.checkWorkerQueues(n, c, top)
		r.checkLevel(n)
		r.checkHandover(n, c, top.block("defaults"))
		r.checkShim(n, top)
		r.checkTurn(n, workers, c)
	}
	r.checkSharing(top)
	r.checkIsolation(top)
	r.checkCycles(workers)
	r.checkDescriptors(workers, c)
}

func labels(nodes []*node) []string {
	out := make([]string, len(nodes))
	for i, n := range nodes {
		out[i] = n.label
	}
	return out
}

func (r *reader) checkSupervisor(top *node, c *Config, rules Rules) {
	n := top.block("supervisor")
	count := uint32(len(c.Workers)+len(c.Disabled)) + shimCount(top.all("worker"))
	if pool := c.Supervisor.LastID - c.Supervisor.FirstID + 1; pool < count {
		at := n
		if at == nil {
			at = top
		}
		r.in(at, at.at("ids"), fault{fmt.Sprintf("the pool has %d ids for %d workers", pool, count), "every worker has a user and a group of its own, so that none can touch another", fmt.Sprintf("widen it, as in \"%d-%d\"", c.Supervisor.FirstID, c.Supervisor.FirstID+max(count, 100)-1)})
	}
	if n == nil || rules.Waivers == nil {
		return
	}
	for _, w := range get[[]word](n.t, "waive", n) {
		if !slices.Contains(rules.Waivers, w.text) {
			r.in(n, w.rng, fault{fmt.Sprintf("%q cannot be waived", w.text), "there is no such protection, or it is one that nothing may run without", didYouMean(w.text, rules.Waivers, "protection")})
		}
	}
}

// checkGrantNames keeps apart what a worker knows by name only.
func (r *reader) checkGrantNames(top *node) {
	taken := map[string]*node{}
	for _, kind := range []string{"device", "directory", "socket"} {
		for _, n := range top.all(kind) {
			if slices.Contains(reserved, n.label) {
				r.in(n, n.rng, fault{fmt.Sprintf("the name %q is taken", n.label), "the supervisor grants the doorbell of a queue under it", "take another name"})
			}
			if other := taken[n.label]; other != nil && other.t != n.t {
				r.in(n, n.rng, fault{fmt.Sprintf("%s is already the name of a %s", n.label, other.t.name), fmt.Sprintf("on line %d; a worker knows its grants by name", other.rng.Start.Line), "rename one of them"})
			} else if other == nil {
				taken[n.label] = n
			}
		}
	}
}

func (r *reader) checkCommand(n *node, rules Rules) {
	if words := get[[]word](n.t, "command", n); len(words) > 0 && rules.Command != nil {
		if err := rules.Command(words[0].text); err != nil {
			r.in(n, words[0].rng, fault{what: err.Error()})
		} else {
			r.checkInterpreter(n, words[0], rules)
		}
	}
	policy := get[string](n.t, "policy", n)
	if policy != "" && rules.Policies != nil && !slices.Contains(rules.Policies, policy) && !strings.ContainsRune(policy, '/') {
		r.in(n, n.at("policy"), fault{fmt.Sprintf("there is no policy %q", policy), "", didYouMean(policy, rules.Policies, "policy")})
	}
}

// checkProfiles asks about the profile of each worker, enabled or not. What it is
// granted is known only when nothing else is wrong, and a shim is two workers.
func (r *reader) checkProfiles(nodes []*node, c *Config, rules Rules) {
	for _, list := range [][]Worker{c.Workers, c.Disabled} {
		for i := range list {
			name := strings.TrimSuffix(list[i].Name, programSuffix)
			at := slices.IndexFunc(nodes, func(n *node) bool { return n.label == name })
			for _, o := range rules.Profile(c, &list[i]) {
				r.in(nodes[at], nodes[at].named(o.List, o.Name), fault{o.What, o.Why, o.Fix})
			}
		}
	}
}

// checkInterpreter: a dynamic program needs its loader in its root.
func (r *reader) checkInterpreter(n *node, program word, rules Rules) {
	if rules.Interpreter == nil {
		return
	}
	name, err := rules.Interpreter(program.text)
	if err != nil {
		r.in(n, program.rng, fault{what: err.Error()})
		return
	}
	if name == "" {
		return
	}
	if missing := uncovered(name, get[[]word](n.t, "read_only", n)); len(missing) > 0 {
		r.in(n, program.rng, fault{fmt.Sprintf("the program is dynamic and its ELF interpreter %s would not be in its root", name),
			"read_only has no entry for " + strings.Join(missing, " and "), fmt.Sprintf("add them, and those of its libraries, as in read_only = [\"%s\"]", strings.Join(missing, `", "`))})
	}
}

// named is where a name stands in a list of a worker, else its policy.
func (n *node) named(list, name string) hcl.Range {
	if list != "" {
		for _, w := range get[[]word](n.t, list, n) {
			if w.text == name {
				return w.rng
			}
		}
	}
	return n.at("policy")
}

// references reports names in a list of a worker that no block has.
func (r *reader) references(n *node, attr string, blocks []*node, noun string) {
	known := labels(blocks)
	for _, w := range get[[]word](n.t, attr, n) {
		if slices.Contains(known, w.text) {
			continue
		}
		f := fault{what: fmt.Sprintf("there is no %s %q", noun, w.text), fix: didYouMean(w.text, known, noun)}
		if f.fix == "" || strings.Contains(f.fix, " are: ") {
			f.fix = strings.TrimPrefix(f.fix+fmt.Sprintf("; or add a block: %s %q { ... }", noun, w.text), "; or ")
		}
		r.in(n, w.rng, f)
	}
}

func (r *reader) checkWorkerQueues(n *node, c *Config, top *node) {
	known := labels(top.all("queue"))
	for _, q := range n.all("queue") {
		i := slices.IndexFunc(c.Queues, func(have Queue) bool { return have.Name == q.label })
		if i < 0 {
			r.in(q, q.rng, fault{fmt.Sprintf("there is no queue %q", q.label), "", didYouMean(q.label, known, "queue")})
			continue
		}
		send, receive := get[[]word](q.t, "send", q), get[[]word](q.t, "receive", q)
		if len(send)+len(receive) == 0 && (!q.has("send") || q.values["send"].ok) && (!q.has("receive") || q.values["receive"].ok) {
			r.in(q, q.rng, fault{"the worker neither sends nor receives here", "", `add send = ["reading"] or receive = ["*"], or remove the block`})
		}
		bands := c.Queues[i].bands()
		for _, list := range [][]word{send, receive} {
			for _, w := range list {
				if w.text == "*" && len(list) > 1 {
					r.in(q, w.rng, fault{`"*" stands beside other bands`, "it means all of them", "remove the others"})
				} else if w.text != "*" && !slices.Contains(bands, w.text) {
					r.in(q, w.rng, fault{fmt.Sprintf("the queue %q has no band %q", q.label, w.text), "", didYouMean(w.text, bands, "band")})
				}
			}
		}
	}
}
