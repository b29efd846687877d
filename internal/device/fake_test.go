package device_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/config"
	"sallyport/internal/device"
	"sallyport/internal/reading"
)

// tree writes files, and links where the text begins with "-> ", into a new
// directory and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if to, link := strings.CutPrefix(text, "-> "); link {
			must(t, os.Symlink(to, path))
			continue
		}
		must(t, os.WriteFile(path, []byte(text), 0o444))
	}
	return root
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sys is a machine like a Raspberry Pi with a few sensors more.
func sys(t *testing.T) string {
	return tree(t, map[string]string{
		"devices/virtual/thermal/thermal_zone0/type":            "gpu-thermal\n",
		"devices/virtual/thermal/thermal_zone0/temp":            "40000\n",
		"devices/virtual/thermal/thermal_zone1/type":            "cpu-thermal\n",
		"devices/virtual/thermal/thermal_zone1/temp":            "48312\n",
		"class/thermal/thermal_zone0":                           "-> ../../devices/virtual/thermal/thermal_zone0",
		"class/thermal/thermal_zone1":                           "-> ../../devices/virtual/thermal/thermal_zone1",
		"class/thermal/cooling_device0/type":                    "cpu-thermal\n",
		"devices/hw/hwmon0/name":                                "coretemp\n",
		"devices/hw/hwmon0/temp1_label":                         "Package id 0\n",
		"devices/hw/hwmon0/temp1_input":                         "51000\n",
		"devices/hw/hwmon0/temp2_label":                         "Core 0\n",
		"devices/hw/hwmon0/temp2_input":                         "50500\n",
		"devices/hw/hwmon0/in0_input":                           "1200\n",
		"devices/hw/hwmon0/power1_input":                        "1500000\n",
		"devices/hw/hwmon0/fan1_input":                          "900\n",
		"class/hwmon/hwmon0":                                    "-> ../../devices/hw/hwmon0",
		"class/hwmon/hwmon1/device/name":                        "old\n",
		"class/hwmon/hwmon1/device/temp1_input":                 "33000\n",
		"class/hwmon/hwmon2/name":                               "nvme\n",
		"class/hwmon/hwmon2/temp1_input":                        "1\n",
		"class/hwmon/hwmon10/name":                              "nvme\n",
		"class/hwmon/hwmon10/temp1_input":                       "2\n",
		"bus/iio/devices/iio:device0/name":                      "bme280\n",
		"bus/iio/devices/iio:device0/in_temp_input":             "21500\n",
		"bus/iio/devices/iio:device0/in_pressure_input":         "101.325\n",
		"bus/iio/devices/iio:device0/in_humidityrelative_input": "45250\n",
		"bus/iio/devices/iio:device0/in_voltage0_raw":           "2048\n",
		"bus/w1/devices/28-00000a9ae2c7/temperature":            "-12062\n",
		"evil/link/name":                                        "evil\n",
		"bus/iio/devices/iio:device1/name":                      "evil\n",
		"bus/iio/devices/iio:device1/in_temp_input":             "-> /etc/hostname",
		"bus/iio/devices/iio:device1/in_dir/x":                  "",
	})
}

var pos = config.Pos{File: "sensor-logger.hcl", Line: 12, Col: 1}

func TestOpenFindsByName(t *testing.T) {
	o := device.Options{Sys: sys(t)}
	type want struct {
		name, unit string
		value      float64
	}
	for name, tc := range map[string]struct {
		conf config.Device
		want []want
	}{
		"thermal":      {config.Device{Kind: "thermal", Type: "cpu-thermal"}, []want{{"d", "C", 48.312}}},
		"hwmon":        {config.Device{Kind: "hwmon", HwmonName: "coretemp"}, []want{{"d", "C", 51}}},
		"hwmon number": {config.Device{Kind: "hwmon", HwmonName: "coretemp", Input: "in0"}, []want{{"d", "V", 1.2}}},
		"hwmon label":  {config.Device{Kind: "hwmon", HwmonName: "coretemp", Input: "Core 0"}, []want{{"d", "C", 50.5}}},
		"hwmon old":    {config.Device{Kind: "hwmon", HwmonName: "old"}, []want{{"d", "C", 33}}},
		"hwmon channels": {config.Device{Kind: "hwmon", HwmonName: "coretemp", Channels: []string{"power1", "fan1"}},
			[]want{{"d.power1", "W", 1.5}, {"d.fan1", "rpm", 900}}},
		"iio": {config.Device{Kind: "iio", IIOName: "bme280", Channels: []string{"in_temp_input", "in_pressure_input", "in_humidityrelative_input"}},
			[]want{{"d.in_temp_input", "C", 21.5}, {"d.in_pressure_input", "kPa", 101.325}, {"d.in_humidityrelative_input", "%", 45.25}}},
		"iio raw":    {config.Device{Kind: "iio", IIOName: "bme280", Channels: []string{"in_voltage0_raw"}}, []want{{"d", "", 2048}}},
		"w1":         {config.Device{Kind: "w1", ID: "28-00000a9ae2c7"}, []want{{"d", "C", -12.062}}},
		"own decode": {config.Device{Kind: "w1", ID: "28-00000a9ae2c7", Decode: "raw", Unit: "mC"}, []want{{"d", "mC", -12062}}},
		"file":       {config.Device{Kind: "file", Path: "/sys/class/thermal/thermal_zone0/temp", Decode: "milli"}, []want{{"d", "", 40}}},
	} {
		tc.conf.Name, tc.conf.Pos = "d", pos
		d, err := device.Open(tc.conf, o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		opened := d.Opened()
		if len(opened) != len(tc.want) {
			t.Errorf("%s: %d descriptors, want %d", name, len(opened), len(tc.want))
		}
		for i, got := range opened {
			s := got.Sensors[0]
			if w := tc.want[i]; got.Name != w.name || s.Name != w.name || s.Unit != w.unit || value(t, got) != w.value {
				t.Errorf("%s: %s %+v = %v, want %+v", name, got.Name, s, value(t, got), w)
			}
		}
		must(t, d.Close())
		must(t, d.Close())
	}
}

// value reads a grant as a worker does: by pread at 0, and the sensor's decode.
func value(t *testing.T, o *device.Opened) float64 {
	t.Helper()
	raw := make([]byte, 4096)
	n, err := o.File.ReadAt(raw, 0)
	if n == 0 {
		t.Fatalf("%s: %v", o.Name, err)
	}
	decode, err := reading.ParseDecode(o.Sensors[0].Decode)
	must(t, err)
	v, err := decode.Value(raw[:n])
	must(t, err)
	return v
}

func TestOpenRefuses(t *testing.T) {
	o := device.Options{Sys: sys(t)}
	for name, tc := range map[string]struct {
		conf   config.Device
		absent bool
		text   string
	}{
		"type":          {config.Device{Kind: "thermal", Type: "cpu"}, true, `no thermal zone is called "cpu": not on this machine (there are gpu-thermal, cpu-thermal)`},
		"monitor":       {config.Device{Kind: "hwmon", HwmonName: "none"}, true, `no hardware monitor is called "none"`},
		"input":         {config.Device{Kind: "hwmon", HwmonName: "coretemp", Input: "temp9"}, true, `"Package id 0"`},
		"input is path": {config.Device{Kind: "hwmon", HwmonName: "coretemp", Input: "../hwmon0/temp1"}, true, "has no input"},
		"two":           {config.Device{Kind: "hwmon", HwmonName: "nvme"}, false, "hwmon2, "},
		"channel":       {config.Device{Kind: "iio", IIOName: "bme280", Channels: []string{"in_temp_input", "in_light_input"}}, true, "in_light_input"},
		"link":          {config.Device{Kind: "iio", IIOName: "evil", Channels: []string{"in_temp_input"}}, false, "symbolic link"},
		"directory":     {config.Device{Kind: "iio", IIOName: "evil", Channels: []string{"in_dir"}}, false, "not a file with text"},
		"id":            {config.Device{Kind: "w1", ID: "28-000000000000"}, true, "28-000000000000"},
		"decode":        {config.Device{Kind: "file", Path: "/sys/class/thermal/thermal_zone0/type", Decode: "milli"}, false, "is not an integer"},
		"file":          {config.Device{Kind: "file", Path: "/sys/none"}, true, "/none"},
		"device node":   {config.Device{Kind: "file", Path: "/dev/null"}, false, "not a file with text"},
		"kind":          {config.Device{Kind: "evdev"}, false, `kind "evdev"`},
	} {
		tc.conf.Name, tc.conf.Pos = "cpu_temp", pos
		d, err := device.Open(tc.conf, o)
		if err == nil {
			t.Errorf("%s: opened %v", name, d.Opened())
			continue
		}
		if errors.Is(err, device.ErrAbsent) != tc.absent || !strings.Contains(err.Error(), tc.text) || !strings.HasPrefix(err.Error(), `device "cpu_temp" (sensor-logger.hcl:12): `) {
			t.Errorf("%s: absent %v: %v", name, errors.Is(err, device.ErrAbsent), err)
		}
	}
}

func TestReopenFindsNewNumber(t *testing.T) {
	root := sys(t)
	d, err := device.Open(config.Device{Name: "cpu", Kind: "thermal", Type: "cpu-thermal", Pos: pos}, device.Options{Sys: root})
	must(t, err)
	defer d.Close()
	old := d.Opened()[0]
	zones := filepath.Join(root, "devices/virtual/thermal")
	must(t, os.Rename(zones+"/thermal_zone1", zones+"/thermal_zone7"))
	if _, err := d.Reopen("cpu"); !errors.Is(err, device.ErrAbsent) {
		t.Fatalf("while it is away: %v", err)
	}
	must(t, os.Rename(root+"/class/thermal/thermal_zone1", root+"/class/thermal/gone"))
	must(t, os.Symlink("../../devices/virtual/thermal/thermal_zone7", root+"/class/thermal/thermal_zone7"))
	fresh, err := d.Reopen("cpu")
	must(t, err)
	if v := value(t, fresh); v != 48.312 || fresh == old || d.Opened()[0] != fresh {
		t.Errorf("value %v", v)
	}
	if _, err := old.File.Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the old descriptor is open: %v", err)
	}
	if _, err := d.Reopen("cpu_temp"); err == nil {
		t.Error("an unknown grant was opened")
	}
}

// With the real root a file must lie on sysfs. The id is one that the configuration
// refuses; here it leads to a file of ours.
func TestOpenDemandsSysfs(t *testing.T) {
	dir := tree(t, map[string]string{"temperature": "1000\n"})
	_, err := device.Open(config.Device{Name: "t", Kind: "w1", ID: "../../../.." + dir, Pos: pos}, device.Options{})
	if err == nil || !strings.Contains(err.Error(), "is not on sysfs") {
		t.Errorf("%v", err)
	}
}
