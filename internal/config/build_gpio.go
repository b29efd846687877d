package config

import (
	"fmt"
	"time"
)

func (r *reader) buildGPIO(n, k *node, d *Device) {
	d.GPIO = &GPIO{
		Chip:      get[string](k.t, "chip", k),
		Line:      get[string](k.t, "line", k),
		Offset:    get[int](k.t, "offset", k),
		ActiveLow: get[bool](k.t, "active_low", k),
		Edges:     get[string](n.t, "edges", n),
		Bias:      get[string](n.t, "bias", n),
		Debounce:  get[time.Duration](n.t, "debounce", n),
	}
	switch {
	case r.broken:
	case k.has("line") && k.has("offset"):
		r.in(n, k.at("offset"), fault{"the line is named twice", "by its name and by its number", "remove offset: numbers differ between chips"})
	case !k.has("line") && !k.has("offset") && !k.meant["line"] && !k.meant["offset"]:
		r.in(n, k.rng, fault{"\"line\" is missing", "a chip has many lines", `add: line = "GPIO17", or offset = 17 where it has no name`})
	}
}

// checkLine holds the attributes of a line to its kind and direction.
func (r *reader) checkLine(n *node, d *Device) {
	for _, name := range []string{"edges", "bias", "debounce"} {
		switch {
		case !n.has(name) || d.Kind == "":
		case d.Kind != "gpio":
			r.in(n, n.at(name), fault{fmt.Sprintf("a device of kind %s has no %s", d.Kind, name), "it is a property of a GPIO line", "remove " + name})
		case d.Output:
			r.in(n, n.at(name), fault{fmt.Sprintf("an output has no %s", name), "it is a property of an input", "remove " + name})
		}
	}
}
