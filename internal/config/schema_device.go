package config

import "time"

var deviceBlock = &blockType{
	name: "device", label: "a device", many: true, doc: "one thing that the parent opens; exactly one kind",
	attrs: append(kinds,
		attrType{name: "optional", value: truth, fallback: false, doc: "when it is missing, the supervisor is degraded and runs"},
		attrType{name: "shared", value: truth, fallback: false, doc: "several workers may have it"},
		attrType{name: "output", value: truth, fallback: false, doc: "the worker writes to it"},
		attrType{name: "safe", value: wholeNumber(0, 1), fallback: 0, doc: "what an output is set to when its worker is lost"},
		attrType{name: "handover", value: handover, fallback: "share", doc: "share: the supervisor keeps it open for the next process of the worker; lend: the same, and it is called back before a stop; move: it is opened anew for every process; exclusive: the same, and nobody else has it, which is checked"},
		attrType{name: "unit", value: unit, fallback: "", doc: "unit of its readings; without it, the kind's own"},
		attrType{name: "decode", value: decode, fallback: "", doc: "how its text becomes a number; without it, the kind's own"},
		attrType{name: "channels", value: listOf("channels", channel, false), doc: "several values of one hwmon, iio, i2c, spi or tty device"},
		attrType{name: "edges", value: oneOf("none", "rising", "falling", "both"), fallback: "none", doc: "edges of a gpio input that the worker can read as events"},
		attrType{name: "bias", value: oneOf("as-is", "disabled", "pull-up", "pull-down"), fallback: "as-is", doc: "resistor of a gpio input"},
		attrType{name: "debounce", value: durationIn(0, time.Hour), fallback: time.Duration(0), doc: "shortest change of a gpio input that counts"},
	),
}

var handover = oneOf("share", "move", "exclusive", "lend")

// kinds are the attributes of which a device has exactly one.
var kinds = []attrType{
	{name: "file", value: objectOf(fileKind), doc: "a text file such as /proc/loadavg"},
	{name: "thermal", value: objectOf(thermalKind), doc: "a thermal zone, by its type"},
	{name: "hwmon", value: objectOf(hwmonKind), doc: "a hardware monitor, by its name"},
	{name: "iio", value: objectOf(iioKind), doc: "an industrial I/O device, by its name"},
	{name: "w1", value: objectOf(w1Kind), doc: "a thermometer on a 1-wire bus, by its id"},
	{name: "sim", value: objectOf(simKind), doc: "a simulated input or output"},
	{name: "gpio", value: objectOf(gpioKind), doc: "a line of a GPIO chip, by the chip's label"},
	{name: "i2c", value: objectOf(i2cKind), doc: "a device on an I2C bus, by bus and address"},
	{name: "spi", value: objectOf(spiKind), doc: "a device on an SPI bus, by bus and chip select"},
	{name: "tty", value: objectOf(ttyKind), doc: "a serial line, by its path"},
}

var fileKind = &blockType{name: "file", attrs: []attrType{
	{name: "path", value: absolutePath, required: true, doc: "the file"},
	{name: "decode", value: decode, fallback: "", doc: "how its text becomes a number"},
	{name: "unit", value: unit, fallback: "", doc: "unit of its readings"},
}}

var thermalKind = &blockType{name: "thermal", attrs: []attrType{
	{name: "type", value: attributeText, required: true, doc: "what the file type of the zone says, as cpu-thermal"},
}}

var hwmonKind = &blockType{name: "hwmon", attrs: []attrType{
	{name: "name", value: attributeText, required: true, doc: "what the file name of the monitor says, as cpu_thermal"},
	{name: "input", value: attributeText, fallback: "", doc: "an input such as temp1, or its label; without it, temp1"},
}}

var iioKind = &blockType{name: "iio", attrs: []attrType{
	{name: "name", value: attributeText, required: true, doc: "what the file name of the device says, as bme280"},
}}

var w1Kind = &blockType{name: "w1", attrs: []attrType{
	{name: "id", value: pattern("the id of a 1-wire device", `[0-9a-f]{2}-[0-9a-f]{12}`, "28-00000a9ae2c7"), required: true, doc: "family and serial number"},
}}

// Values are limited to what fits in the 16 bytes of a simulated input.
var simKind = &blockType{name: "sim", attrs: []attrType{
	{name: "wave", value: oneOf("sine", "square", "pulse"), doc: "sine and square swing between min and max; pulse is max for a while in each period"},
	{name: "period", value: durationIn(10*time.Millisecond, 24*time.Hour), doc: "length of one turn"},
	{name: "after", value: durationIn(0, 24*time.Hour), fallback: time.Duration(0), doc: "pulse: when max begins"},
	{name: "for", value: durationIn(0, 24*time.Hour), fallback: time.Duration(0), doc: "pulse: how long max lasts"},
	{name: "min", value: decimal(1e9), doc: "lowest value"},
	{name: "max", value: decimal(1e9), doc: "highest value"},
}}

var attributeText = pattern("a name as it stands in sysfs", `[ -~]{1,64}`, "cpu-thermal")

// channel holds no slash: it becomes part of a path.
var channel = pattern("the name of a channel", `[A-Za-z0-9][A-Za-z0-9_-]{0,45}`, "in_temp_input")

// objectOf reads an object by a table; the value is a *node.
func objectOf(t *blockType) valueType {
	words := "an object, as in " + t.name + " = { " + t.attrs[0].name + " = ... },"
	return valueType{words: words, object: t, read: func(r *reader, l literal) (any, bool) {
		if !r.want(l, objectLiteral, words) {
			return nil, false
		}
		n := newNode(t, "", l.rng, "")
		for _, i := range l.items {
			r.attribute(n, i.key, i.rng, i.value, true)
		}
		r.missing(n)
		return n, true
	}}
}
