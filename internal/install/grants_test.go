package install_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"sallyport/internal/config"
	"sallyport/internal/install"
)

// TestDevicesFitTheirProfiles: a worker that could do nothing with its device is
// refused before it runs, at the name of the device.
func TestDevicesFitTheirProfiles(t *testing.T) {
	rules := install.Dir("/nowhere").Rules(nil)
	rules.Command = nil
	for _, tt := range []struct{ device, policy, want string }{
		{`gpio = { chip = "c", line = "l" }`, "gpio-line", ""},
		{`gpio = { chip = "c", line = "l" }`, "sensor-read", "GPIO_V2_LINE_GET_VALUES_IOCTL"},
		{"gpio = { chip = \"c\", line = \"l\" }\n  output = true", "gpio-line", ""},
		{"gpio = { chip = \"c\", line = \"l\" }\n  output = true", "i2c-device", "GPIO_V2_LINE_SET_VALUES_IOCTL"},
		{"gpio = { chip = \"c\", line = \"l\" }\n  edges = \"both\"", "sensor-read", ""}, // read is enough
		{`i2c = { bus = "i2c-1", address = "0x23" }`, "i2c-device", ""},
		{`spi = { device = "spi0.0", speed = 500000 }`, "spi-device", ""},
		{`tty = { path = "/dev/ttyS0", baud = 9600 }`, "serial-read", ""},
	} {
		text := "device \"d\" {\n  " + tt.device + "\n}\nworker \"w\" {\n  command = [\"w\"]\n  devices = [\"d\"]\n  policy = \"" + tt.policy + "\"\n}\n"
		_, err := rules.Parse("x.hcl", []byte(text))
		var problems config.Problems
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s with %s: %v", tt.device, tt.policy, err)
		case tt.want != "" && (!errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s with %s: %v", tt.device, tt.policy, err)
		}
	}
}

// A profile that lets a worker set its device up otherwise is refused, request by
// request; one that allows every ioctl is too.
func TestProfilesThatUndo(t *testing.T) {
	for kind, numbers := range map[string][]string{
		"gpio": {"0xc110b40d"}, "i2c": {"0x703", "0x704", "0x706", "0x707"},
		"spi": {"0x40016b01", "0x40016b02", "0x40016b03", "0x40046b04", "0x40046b05"},
		"tty": {"TCSETS", "TCSETS2", "TIOCSTI", "TIOCMSET", "TIOCSETD", "TIOCSCTTY"},
	} {
		d := config.Device{Name: "d", Kind: kind, GPIO: &config.GPIO{Edges: "both"}}
		rules := []string{"ioctl"}
		for _, n := range numbers {
			rules = append(rules, "ioctl: arg1 == "+n)
		}
		for _, rule := range rules {
			files := fstest.MapFS{"own.policy": {Data: []byte("read\n" + rule + "\n")}}
			if found, err := install.Undone(files, "own", d); err != nil || len(found) == 0 {
				t.Errorf("%s with %s: %v, %v", kind, rule, found, err)
			}
		}
		harmless := fstest.MapFS{"own.policy": {Data: []byte("ioctl: arg1 in {0x541b, 0x720, 0x40206b00, GPIO_V2_LINE_SET_VALUES_IOCTL}\n")}}
		if found, err := install.Undone(harmless, "own", d); err != nil || len(found) != 0 {
			t.Errorf("%s: %v, %v", kind, found, err)
		}
	}
}
