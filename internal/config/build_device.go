package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// buildDevice also checks what the attributes of one device demand of each other.
func (r *reader) buildDevice(n *node) Device {
	d := Device{
		Name:     n.label,
		Optional: get[bool](n.t, "optional", n),
		Shared:   get[bool](n.t, "shared", n),
		Output:   get[bool](n.t, "output", n),
		Safe:     get[int](n.t, "safe", n),
		Handover: get[string](n.t, "handover", n),
		Unit:     get[string](n.t, "unit", n),
		Decode:   get[string](n.t, "decode", n),
		Channels: texts(get[[]word](n.t, "channels", n)),
		Pos:      r.pos(n.rng),
	}
	r.buildKind(n, &d)
	if r.broken {
		return d
	}
	if n.has("channels") && !slices.Contains([]string{"hwmon", "iio", "i2c", "spi", "tty", ""}, d.Kind) {
		r.in(n, n.at("channels"), fault{fmt.Sprintf("a device of kind %s has one value and no channels", d.Kind), "", "remove channels"})
	}
	if d.Output && d.Kind != "sim" && d.Kind != "gpio" && d.Kind != "" {
		r.in(n, n.at("output"), fault{fmt.Sprintf("a device of kind %s cannot be an output", d.Kind), "outputs are lines of a GPIO chip, and simulated ones", "use gpio = { ... } or sim = {}, or remove output"})
	}
	r.checkLine(n, &d)
	if n.has("safe") && !d.Output {
		r.in(n, n.at("safe"), fault{"safe is for outputs", "an input has no value that the parent could set", "add output = true, or remove safe"})
	}
	if alone := d.Handover == "move" || d.Handover == "exclusive"; alone && (d.Output || d.Shared) {
		f := fault{"an output cannot be handed over by " + d.Handover, "the supervisor sets its safe value through its own copy", "use share or lend"}
		if d.Shared {
			f = fault{"a shared device cannot be handed over by " + d.Handover, "several workers are to have it", "remove handover, or shared"}
		}
		r.in(n, n.at("handover"), f)
	}
	for _, reads := range []string{"decode", "unit"} {
		if d.Output && n.has(reads) {
			r.in(n, n.at(reads), fault{fmt.Sprintf("an output has no %s", reads), "it is written, not read", "remove " + reads})
		}
	}
	if n.has("decode") && slices.Contains([]string{"gpio", "i2c", "spi", "tty"}, d.Kind) && !d.Output {
		r.in(n, n.at("decode"), fault{fmt.Sprintf("a device of kind %s has no decode", d.Kind), "its worker makes numbers of what it reads", "remove decode"})
	}
	for _, s := range d.Sensors() {
		if len(s) > maxGrant {
			r.in(n, n.rng, fault{fmt.Sprintf("the name %q has %d bytes", s, len(s)), fmt.Sprintf("a grant's name has at most %d", maxGrant), "give the device a shorter name"})
		}
	}
	return d
}

func (r *reader) buildKind(n *node, d *Device) {
	var set []string
	for _, k := range kinds {
		if n.has(k.name) {
			set = append(set, k.name)
		}
	}
	if len(set) != 1 {
		f := fault{what: "the device has no kind", why: "the kind says what is opened", fix: `add one of file, thermal, hwmon, iio, w1, gpio, i2c, spi, tty, sim, as in: file = { path = "/proc/loadavg", decode = "field:0" }`}
		if len(set) > 1 {
			f = fault{what: "the device has the kinds " + strings.Join(set, " and "), fix: "make a device of each"}
		}
		if len(set) > 1 || !r.broken && len(n.meant) == 0 {
			r.in(n, n.rng, f)
		}
		return
	}
	d.Kind = set[0]
	k := get[*node](n.t, set[0], n)
	if k == nil {
		return
	}
	switch d.Kind {
	case "file":
		d.Path = get[string](k.t, "path", k)
		for _, both := range []struct {
			name string
			to   *string
		}{{"decode", &d.Decode}, {"unit", &d.Unit}} {
			if n.has(both.name) && k.has(both.name) {
				r.in(n, k.at(both.name), fault{fmt.Sprintf("%s is set twice", both.name), "in the kind and in the device", "remove one of them"})
			} else if k.has(both.name) {
				*both.to = get[string](k.t, both.name, k)
			}
		}
	case "thermal":
		d.Type = get[string](k.t, "type", k)
	case "hwmon":
		d.HwmonName, d.Input = get[string](k.t, "name", k), get[string](k.t, "input", k)
		if k.has("input") && n.has("channels") {
			r.in(n, n.at("channels"), fault{"input and channels exclude each other", "", "remove input, and list all inputs in channels"})
		}
	case "iio":
		d.IIOName = get[string](k.t, "name", k)
		if !n.has("channels") && !n.meant["channels"] && !r.broken {
			r.in(n, n.rng, fault{"\"channels\" is missing", "an iio device has several values", `add: channels = ["in_temp_input"]`})
		}
	case "w1":
		d.ID = get[string](k.t, "id", k)
	case "sim":
		r.buildSim(n, k, d)
	case "gpio":
		r.buildGPIO(n, k, d)
	case "i2c":
		d.I2C = &I2C{Bus: get[string](k.t, "bus", k), Address: get[uint16](k.t, "address", k)}
	case "spi":
		d.SPI = &SPI{Device: get[string](k.t, "device", k), Mode: get[int](k.t, "mode", k), Speed: get[int](k.t, "speed", k), Bits: get[int](k.t, "bits", k)}
	case "tty":
		d.TTY = &TTY{Path: get[string](k.t, "path", k), Baud: get[int](k.t, "baud", k), Frame: get[string](k.t, "frame", k), Write: get[bool](k.t, "write", k)}
	}
}

func (r *reader) buildSim(n, k *node, d *Device) {
	d.Sim = &Sim{
		Wave:   get[string](k.t, "wave", k),
		Period: get[time.Duration](k.t, "period", k),
		After:  get[time.Duration](k.t, "after", k),
		For:    get[time.Duration](k.t, "for", k),
		Min:    get[float64](k.t, "min", k),
		Max:    get[float64](k.t, "max", k),
	}
	if d.Output {
		for _, a := range k.t.attrs {
			if k.has(a.name) {
				r.in(n, k.at(a.name), fault{fmt.Sprintf("a simulated output has no %s", a.name), "the worker says what its value is", "write sim = {}"})
			}
		}
		return
	}
	if r.broken {
		return
	}
	for _, need := range []string{"wave", "period", "min", "max"} {
		if !k.has(need) && !k.meant[need] {
			r.in(n, k.rng, fault{fmt.Sprintf("%q is missing", need), k.t.attr(need).doc, fmt.Sprintf("add: %s = ..., or output = true for a simulated output", need)})
		}
	}
	if k.values["min"].ok && k.values["max"].ok && d.Sim.Min >= d.Sim.Max {
		r.in(n, k.at("min"), fault{"min is not below max", "the value would never change", "swap them"})
	}
	pulse := d.Sim.Wave == "pulse"
	for _, only := range []string{"after", "for"} {
		if k.has(only) && k.has("wave") && k.values["wave"].ok && !pulse {
			r.in(n, k.at(only), fault{fmt.Sprintf("%s is for the wave pulse", only), fmt.Sprintf("a %s has only a period", d.Sim.Wave), "remove it, or use wave = \"pulse\""})
		}
	}
	switch {
	case !pulse:
	case !k.has("for") && !k.meant["for"]:
		r.in(n, k.rng, fault{"\"for\" is missing", "a pulse lasts some time", `add: for = "3s"`})
	case k.values["for"].ok && d.Sim.For == 0:
		r.in(n, k.at("for"), fault{"the pulse lasts no time", "", `write for = "3s"`})
	case k.values["period"].ok && d.Sim.After+d.Sim.For > d.Sim.Period:
		r.in(n, k.at("for"), fault{"the pulse ends after its period", fmt.Sprintf("after and for are %s together, the period is %s", d.Sim.After+d.Sim.For, d.Sim.Period), "shorten for, or lengthen period"})
	}
}
