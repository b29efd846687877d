package install

import (
	"fmt"
	"io/fs"
	"slices"

	"sallyport/internal/config"
	"sallyport/internal/seccomp"
	"sallyport/policy"
)

// request is an ioctl, by number and name.
type request struct {
	number uint64
	name   string
}

// needs are the requests without which a worker can do nothing with a line; those
// of other kinds it may do without.
func needs(d config.Device) []request {
	switch {
	case d.Kind == "gpio" && d.Output:
		return []request{{0xc010b40f, "GPIO_V2_LINE_SET_VALUES_IOCTL"}}
	case d.Kind == "gpio" && (d.GPIO == nil || d.GPIO.Edges == "none"):
		return []request{{0xc010b40e, "GPIO_V2_LINE_GET_VALUES_IOCTL"}}
	}
	return nil
}

// undoing are the requests that make something else of what the parent has set up.
var undoing = map[string][]request{
	"gpio": {{0xc110b40d, "GPIO_V2_LINE_SET_CONFIG_IOCTL"}},
	"i2c":  {{0x703, "I2C_SLAVE"}, {0x706, "I2C_SLAVE_FORCE"}, {0x704, "I2C_TENBIT"}, {0x707, "I2C_RDWR"}},
	"spi": {{0x40016b01, "SPI_IOC_WR_MODE"}, {0x40046b05, "SPI_IOC_WR_MODE32"}, {0x40016b02, "SPI_IOC_WR_LSB_FIRST"},
		{0x40016b03, "SPI_IOC_WR_BITS_PER_WORD"}, {0x40046b04, "SPI_IOC_WR_MAX_SPEED_HZ"}},
	"tty": {{0x5402, "TCSETS"}, {0x402c542b, "TCSETS2"}, {0x5412, "TIOCSTI"}, {0x5418, "TIOCMSET"}, {0x5423, "TIOCSETD"}, {0x540e, "TIOCSCTTY"}},
}

// fits says what is wrong with granting the device to a worker of that profile.
func fits(profile string, d config.Device) error {
	if !slices.Contains(policy.Roles, profile) {
		return nil // which is reported by itself
	}
	return fitsIn(policy.Files, profile, d)
}

func fitsIn(files fs.FS, profile string, d config.Device) error {
	wants, never := needs(d), undoing[d.Kind]
	if len(wants)+len(never) == 0 {
		return nil
	}
	p, err := seccomp.Parse(profile, files)
	if err != nil {
		return err
	}
	b, err := p.Bind(seccomp.Native(), seccomp.Vars{"send_queues": {0}, "receive_queues": {0}, "block_queues": {0}, "frames": {0}, "self_pid": {seccomp.PIDTemplate}})
	if err != nil {
		return err
	}
	nr, _ := seccomp.CallNumber(seccomp.Native(), "ioctl")
	allowed := func(r request) bool {
		return b.Decide(seccomp.Running, nr, [6]uint64{0, r.number}).Action == seccomp.Allow
	}
	for _, r := range wants {
		if !allowed(r) {
			return fmt.Errorf("the profile %q does not allow ioctl %s, without which nothing can be done with %q", profile, r.name, d.Name)
		}
	}
	for _, r := range never {
		if allowed(r) {
			return fmt.Errorf("the profile %q allows ioctl %s, which makes something else of %q than is configured", profile, r.name, d.Name)
		}
	}
	return nil
}
