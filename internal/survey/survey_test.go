package survey_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/config"
	"sallyport/internal/survey"
)

// TestScan: every kind of a made-up machine is found, and what is written for it
// is taken by the reader of configurations.
func TestScan(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"proc/loadavg": "0.52 0.58 0.59 1/389 1234\n", "proc/meminfo": "MemTotal: 1 kB\n",
		"sys/class/thermal/thermal_zone0/type": "cpu-thermal\n", "sys/class/thermal/thermal_zone0/temp": "48312\n",
		"sys/class/thermal/thermal_zone10/type": "cpu-thermal\n",
		"sys/class/hwmon/hwmon0/name":           "coretemp\n", "sys/class/hwmon/hwmon0/temp1_input": "50000\n", "sys/class/hwmon/hwmon0/temp1_label": "Package id 0\n",
		"sys/class/hwmon/hwmon0/temp2_input":   "51000\n",
		"sys/bus/iio/devices/iio:device0/name": "bme280\n", "sys/bus/iio/devices/iio:device0/in_temp_input": "21000\n",
		"sys/bus/w1/devices/28-00000a9ae2c7/temperature": "4062\n",
		"sys/bus/i2c/devices/i2c-1/name":                 "bcm2835 (i2c@7e804000)\n",
		"dev/serial/by-id/usb-u-blox_GPS":                "",
	} {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]survey.Found{}
	var file strings.Builder
	for _, f := range survey.Scan(root) {
		got[f.Name] = f
		if f.Note == "" {
			file.WriteString(f.Block)
		}
	}
	for name, value := range map[string]string{"load": "0.52", "mem_available": "", "cpu_thermal": "48.312 C", "cpu_thermal_2": "",
		"coretemp_Package_id_0": "50 C", "coretemp_temp2": "51 C", "bme280": "1 channels", "w1_00000a9ae2c7": "4.062 C", "on_i2c_1": "", "usb_u_blox_GPS": ""} {
		f, found := got[name]
		if !found || f.Value != value {
			t.Errorf("%s: found %v, value %q, want %q", name, found, f.Value, value)
		}
	}
	if len(got) != 10 {
		t.Errorf("%d things: %v", len(got), got)
	}
	file.WriteString("worker \"w\" {\n  command = [\"w\"]\n  policy = \"p\"\n}\n")
	if _, err := config.Parse("found.hcl", []byte(file.String())); err != nil {
		t.Error(err)
	}
}

// TestScanOfNothing: a machine without any of it is no error.
func TestScanOfNothing(t *testing.T) {
	if got := survey.Scan(t.TempDir()); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
