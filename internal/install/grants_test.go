package install_test

import (
	"errors"
	"strings"
	"testing"

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
