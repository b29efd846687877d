package config

import (
	"fmt"
	"slices"
	"strings"
)

// checkSharing lets one worker have a thing, unless the file says otherwise.
// Workers that are not enabled have nothing.
func (r *reader) checkSharing(top *node) {
	for _, kind := range []struct{ list, block, why, fix string }{
		{"devices", "device", "two readers can disturb each other, and whoever writes an output would not be alone", "add shared = true to the device, or remove it from one worker"},
		{"directories", "directory", "lines of two writers in one file cannot be told apart", "give each worker a directory of its own"},
		{"sockets", "socket", "which of the two gets a connection or its bytes is chance", "give each worker a socket of its own"},
	} {
		user := map[string]string{}
		for _, n := range top.all("worker") {
			if !get[bool](n.t, "enabled", n) {
				continue
			}
			for _, w := range get[[]word](n.t, kind.list, n) {
				first, used := user[w.text]
				switch {
				case !used:
					user[w.text] = n.label
				case kind.block == "device" && shared(top, w.text):
				case slices.Contains(labels(top.all(kind.block)), w.text):
					r.in(n, w.rng, fault{fmt.Sprintf("the %s %q already belongs to worker %q", kind.block, w.text, first), kind.why, kind.fix})
				}
			}
		}
	}
}

func shared(top *node, device string) bool {
	for _, d := range top.all("device") {
		if d.label == device {
			return get[bool](d.t, "shared", d)
		}
	}
	return false
}

// checkCycles reports workers that wait for each other.
func (r *reader) checkCycles(workers []*node) {
	waits := map[string][]word{}
	for _, n := range workers {
		waits[n.label] = get[[]word](n.t, "after", n)
	}
	const unseen, open, done = 0, 1, 2
	state := map[string]int{}
	for _, n := range workers {
		// An explicit stack: a chain of workers may be as long as the file.
		type frame struct {
			name string
			next int
		}
		if state[n.label] != unseen {
			continue
		}
		state[n.label] = open
		stack := []frame{{n.label, 0}}
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			if f.next == len(waits[f.name]) {
				state[f.name] = done
				stack = stack[:len(stack)-1]
				continue
			}
			w := waits[f.name][f.next]
			f.next++
			switch state[w.text] {
			case unseen:
				state[w.text] = open
				stack = append(stack, frame{w.text, 0})
			case open:
				if w.text == f.name {
					break // reported as waiting for itself
				}
				var ring []string
				for i := len(stack) - 1; i >= 0; i-- {
					ring = append(ring, stack[i].name)
					if stack[i].name == w.text {
						break
					}
				}
				slices.Reverse(ring)
				if len(ring) > 8 {
					ring = append(ring[:8], "...")
				}
				owner := workers[slices.IndexFunc(workers, func(n *node) bool { return n.label == f.name })]
				r.in(owner, w.rng, fault{"workers wait for each other: " + strings.Join(append(ring, w.text), " after "), "none of them could ever start", "remove one of the waits"})
			}
		}
	}
}

// spareFiles is what a worker needs beside its grants: the three standard
// descriptors, the channel, the runtime's poller with its event descriptor, a
// receipt pipe, and one in reserve.
const spareFiles = 8

// checkDescriptors counts what each worker will hold: a descriptor for each
// sensor, directory and socket, its own doorbell, and that of each receiver to
// which it sends.
func (r *reader) checkDescriptors(workers []*node, c *Config) {
	all := slices.Concat(c.Workers, c.Disabled)
	for _, w := range all {
		files := spareFiles + len(w.Directories) + len(w.Sockets)
		for _, name := range w.Devices {
			if d, ok := c.Device(name); ok {
				files += len(d.Grants())
			}
		}
		hears := false
		for _, q := range w.Queues {
			hears = hears || len(q.Receive) > 0
			if len(q.Send) == 0 {
				continue
			}
			for _, other := range all {
				if slices.ContainsFunc(other.Queues, func(o WorkerQueue) bool { return o.Name == q.Name && len(o.Receive) > 0 }) {
					files++
				}
			}
		}
		if hears {
			files++
		}
		if limit := int(w.Limits.OpenFiles); files > limit {
			n := workers[w.ID-1]
			f := fault{fmt.Sprintf("the worker needs %d descriptors and may open %d", files, limit), "every grant is a descriptor in the worker", fmt.Sprintf("set open_files = %d in its limits", files)}
			if files > 256 {
				f.fix = "256 is the most there can be: split the worker in two"
			}
			r.in(n, n.rng, f)
		}
	}
}
