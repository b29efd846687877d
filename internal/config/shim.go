package config

import (
	"fmt"
	"maps"
	"slices"
)

// Printed is one value that a program prints.
type Printed struct{ Name, Unit string }

// programSuffix makes the name of the worker that is the program of a shim.
const programSuffix = ".program"

// shimPolicy is the profile of the half that reads the lines.
const shimPolicy = "sensor-read"

// checkShim holds a worker that prints against what a shim can do: it has nothing
// but its standard output, and the other half speaks for it.
func (r *reader) checkShim(n *node, top *node) {
	if !get[bool](n.t, "shim", n) {
		if n.has("prints") {
			r.in(n, n.at("prints"), fault{"prints is for a worker with shim = true", "another one tells its values by itself", "add shim = true, or remove prints"})
		}
		return
	}
	if len(get[map[string]string](n.t, "prints", n)) == 0 {
		r.in(n, n.at("prints"), fault{"nothing says what the program prints", "each value is a sensor, which receivers are told of before it runs", `add prints = { temperature = "C" }`})
	}
	for printed := range get[map[string]string](n.t, "prints", n) {
		if textFault(name, printed) != "" {
			r.in(n, n.at("prints"), fault{fmt.Sprintf("%q cannot be the name of a value", printed), "it is part of a sensor's name", "use letters, digits, _ and -"})
		}
	}
	for _, attr := range []string{"protocol", "notify", "heartbeat", "devices", "directories", "sockets", "settings"} {
		if n.has(attr) {
			r.in(n, n.at(attr), fault{fmt.Sprintf("a worker with shim = true has no %s", attr), "the program is given nothing but a standard output, and says nothing but lines", "remove " + attr})
		}
	}
	if slices.Contains(labels(top.all("device")), n.label) {
		r.in(n, n.rng, fault{fmt.Sprintf("there is a device %q", n.label), "the lines of the program are granted under the worker's name", "rename one of them"})
	}
	sends := slices.ContainsFunc(n.all("queue"), func(q *node) bool { return len(get[[]word](q.t, "send", q)) > 0 })
	if !sends {
		r.in(n, n.rng, fault{"what the program prints goes nowhere", "", `add queue "NAME" { send = ["reading", "alert"] }`})
	}
}

// shimCount is how many workers more there will be than blocks.
func shimCount(workers []*node) uint32 {
	var n uint32
	for _, w := range workers {
		if get[bool](w.t, "shim", w) {
			n++
		}
	}
	return n
}

// splitShims makes two workers of each with a shim: the program, which prints
// into a pipe and has nothing else, and `worker shim`, which is granted the other
// end. The pipe is a device of the configuration, so that both find it again when
// the other is started anew.
func (c *Config) splitShims(prints map[uint32]map[string]string) {
	next := uint32(len(c.Workers) + len(c.Disabled))
	for _, list := range []*[]Worker{&c.Workers, &c.Disabled} {
		for i := range *list {
			w := &(*list)[i]
			values := prints[w.ID]
			if values == nil {
				continue
			}
			next++
			program := *w
			program.ID, program.Name, program.Protocol = next, w.Name+programSuffix, 1
			program.Queues, program.Heartbeat, program.After, program.PrintsTo = nil, 0, nil, w.Name

			d := Device{Name: w.Name, Kind: "printed", Pos: w.Pos}
			for _, name := range slices.Sorted(maps.Keys(values)) {
				d.Printed = append(d.Printed, Printed{name, values[name]})
			}
			c.Devices = append(c.Devices, d)
			w.Command = append([]string{"worker", "shim", "--"}, w.Command...)
			w.Policy, w.ReadOnly, w.StartGrace, w.Devices = shimPolicy, nil, 0, []string{w.Name}
			*list = append(*list, program)
		}
	}
}
