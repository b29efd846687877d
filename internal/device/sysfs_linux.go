package device

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"sallyport/internal/config"
)

// findThermal finds the zone whose file type says what is configured; its number
// depends on the order in which drivers were loaded.
func findThermal(d config.Device, o Options) ([]attribute, error) {
	dir, err := only(filepath.Join(o.sys(), "class/thermal"), "thermal_zone", d.Type, "thermal zone", func(p string) string { return line(p + "/type") })
	if err != nil {
		return nil, err
	}
	return []attribute{{dir: dir, file: "temp", sysfs: o.Sys == "", decode: "milli", unit: "C"}}, nil
}

// findHwmon finds a monitor by its name, and its inputs by number or label.
// Documentation/hwmon/sysfs-interface.rst has the units.
func findHwmon(d config.Device, o Options) ([]attribute, error) {
	dir, err := only(filepath.Join(o.sys(), "class/hwmon"), "hwmon", d.HwmonName, "hardware monitor", hwmonName)
	if err != nil {
		return nil, err
	}
	if line(dir+"/name") == "" {
		dir += "/device" // drivers older than the interface keep their files there
	}
	inputs := d.Channels
	if len(inputs) == 0 {
		inputs = []string{d.Input}
	}
	var found []attribute
	for _, in := range inputs {
		file, err := hwmonInput(dir, in)
		if err != nil {
			return nil, err
		}
		a := attribute{dir: dir, file: file, sysfs: o.Sys == ""}
		a.decode, a.unit = hwmonUnit(file)
		found = append(found, a)
	}
	return found, nil
}

func hwmonName(path string) string {
	if name := line(path + "/name"); name != "" {
		return name
	}
	return line(path + "/device/name")
}

var numbered = regexp.MustCompile(`^(temp|in|curr|power|energy|humidity|fan)[0-9]+$`)

// hwmonInput returns the file of an input: "temp1", its label, or "" for temp1.
func hwmonInput(dir, input string) (string, error) {
	if input == "" {
		input = "temp1"
	}
	names, err := entries(dir, "")
	if err != nil {
		return "", err
	}
	var match, have []string
	for _, n := range names {
		if stem, isLabel := strings.CutSuffix(n, "_label"); isLabel {
			label := line(filepath.Join(dir, n))
			if label == input {
				match = append(match, stem+"_input")
			}
			have = append(have, fmt.Sprintf("%q", label))
		}
		if stem, isInput := strings.CutSuffix(n, "_input"); isInput {
			if stem == input && numbered.MatchString(stem) {
				return n, nil
			}
			have = append(have, stem)
		}
	}
	switch {
	case len(match) == 1:
		return match[0], nil
	case len(match) > 1:
		return "", fmt.Errorf("%d inputs have the label %q: name one by its number, as in %q", len(match), input, strings.TrimSuffix(match[0], "_input"))
	}
	return "", fmt.Errorf("%s has no input %q: %w (there are %s)", dir, input, ErrAbsent, strings.Join(have[:min(len(have), 24)], ", "))
}

func hwmonUnit(file string) (decode, unit string) {
	switch strings.TrimRight(strings.TrimSuffix(file, "_input"), "0123456789") {
	case "temp":
		return "milli", "C"
	case "in":
		return "milli", "V"
	case "curr":
		return "milli", "A"
	case "power":
		return "micro", "W"
	case "energy":
		return "micro", "J"
	case "humidity":
		return "milli", "%"
	case "fan":
		return "raw", "rpm"
	}
	return "raw", ""
}

// findIIO finds a device by its name; channels are names of its files.
func findIIO(d config.Device, o Options) ([]attribute, error) {
	dir, err := only(filepath.Join(o.sys(), "bus/iio/devices"), "iio:device", d.IIOName, "iio device", func(p string) string { return line(p + "/name") })
	if err != nil {
		return nil, err
	}
	var found []attribute
	for _, c := range d.Channels {
		a := attribute{dir: dir, file: c, sysfs: o.Sys == ""}
		a.decode, a.unit = iioUnit(c)
		found = append(found, a)
	}
	return found, nil
}

// iioUnit knows the processed channels of Documentation/ABI/testing/sysfs-bus-iio;
// what ends in _raw has the unit of its converter, so the configuration says it.
func iioUnit(channel string) (decode, unit string) {
	if !strings.HasSuffix(channel, "_input") {
		return "raw", ""
	}
	for _, k := range []struct{ prefix, decode, unit string }{
		{"in_temp", "milli", "C"},
		{"in_humidityrelative", "milli", "%"},
		{"in_pressure", "raw", "kPa"},
		{"in_illuminance", "raw", "lx"},
		{"in_voltage", "milli", "V"},
		{"in_current", "milli", "A"},
		{"in_power", "milli", "W"},
	} {
		if strings.HasPrefix(channel, k.prefix) {
			return k.decode, k.unit
		}
	}
	return "raw", ""
}

// findW1 needs no search: the directory is the id. The attribute temperature is
// there since Linux 5.8 (drivers/w1/slaves/w1_therm.c).
func findW1(d config.Device, o Options) ([]attribute, error) {
	dir := filepath.Join(o.sys(), "bus/w1/devices", d.ID)
	return []attribute{{dir: dir, file: "temperature", sysfs: o.Sys == "", decode: "milli", unit: "C"}}, nil
}
