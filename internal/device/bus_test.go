package device_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/device"
	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// board answers for the drivers of a machine with two GPIO chips, an I2C bus and
// an SPI bus. A line's descriptor is that of a pipe.
type board struct {
	t       *testing.T
	lines   []string // of chip pinctrl-bcm2835
	used    map[int]bool
	request *uapi.LineRequest
	gone    bool // the chip was unplugged
	level   int
	said    []string // other requests
}

func (b *board) options() device.Options {
	root := tree(b.t, map[string]string{
		"dev/gpiochip0": "raspberrypi-exp-gpio", "dev/gpiochip1": "pinctrl-bcm2835", "dev/gpiochip2": "twin", "dev/gpiochip10": "twin",
		"dev/i2c-1": "", "dev/i2c-20": "", "dev/spidev0.1": "",
		"sys/class/i2c-dev/i2c-1/name": "bcm2835 (i2c@7e804000)\n", "sys/class/i2c-dev/i2c-20/name": "HDMI\n",
	})
	return device.Options{Sys: root + "/sys", Dev: root + "/dev", Drivers: &device.Drivers{
		ChipInfo: func(chip uintptr) (info uapi.ChipInfo, err error) {
			label := make([]byte, 31)
			n, err := unix.Pread(int(chip), label, 0)
			copy(info.Label[:], label[:n])
			info.Lines = uint32(len(b.lines))
			return info, err
		},
		LineInfo: func(_ uintptr, offset int) (info uapi.LineInfoV2, err error) {
			copy(info.Name[:], b.lines[offset])
			if b.used[offset] {
				info.Flags = uapi.LineFlagV2Used
				copy(info.Consumer[:], "spi0 CS0")
			}
			return info, nil
		},
		Line: func(_ uintptr, r *uapi.LineRequest) error {
			var p [2]int
			if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
				return err
			}
			unix.Close(p[1])
			b.request, r.Fd = r, int32(p[0])
			return nil
		},
		Values: func(_ uintptr, v *uapi.LineValues) error {
			if b.gone {
				return unix.ENODEV
			}
			v.Bits = uapi.NewLineBitmap(b.level)
			return nil
		},
		SetValues: func(_ uintptr, v uapi.LineValues) error {
			if v.Mask != 1 {
				return unix.EINVAL
			}
			b.level = v.Get(0)
			return nil
		},
		Number: func(_ int, request uint, value int) error {
			b.said = append(b.said, fmt.Sprintf("%#x %#x", request, value))
			if value == 0x50 {
				return unix.EBUSY
			}
			return nil
		},
		Pointer: func(_ int, request uint, value int32) error {
			b.said = append(b.said, fmt.Sprintf("%#x %d", request, value))
			return nil
		},
	}}
}

func newBoard(t *testing.T) *board {
	return &board{t: t, lines: []string{"ID_SDA", "GPIO17", "", "TWICE", "TWICE", "GPIO27"}, used: map[int]bool{5: true}}
}

func gpio(g config.GPIO, output bool, safe int) config.Device {
	g.Chip = "pinctrl-bcm2835"
	return config.Device{Name: "d", Kind: "gpio", GPIO: &g, Output: output, Safe: safe, Pos: pos}
}

func TestLineIsRequestedAsConfigured(t *testing.T) {
	for name, tc := range map[string]struct {
		conf   config.Device
		offset uint32
		flags  uapi.LineFlagV2
		attr   string
	}{
		"input":     {gpio(config.GPIO{Line: "GPIO17", Edges: "none", Bias: "as-is"}, false, 0), 1, uapi.LineFlagV2Input, "[]"},
		"by number": {gpio(config.GPIO{Offset: 2, ActiveLow: true}, false, 0), 2, uapi.LineFlagV2Input | uapi.LineFlagV2ActiveLow, "[]"},
		"edges": {gpio(config.GPIO{Line: "GPIO17", Edges: "both", Bias: "pull-up", Debounce: 20 * time.Millisecond}, false, 0), 1,
			uapi.LineFlagV2Input | uapi.LineFlagV2EdgeBoth | uapi.LineFlagV2BiasPullUp, fmt.Sprint([]uapi.LineConfigAttribute{{Attr: uapi.DebouncePeriod(20 * time.Millisecond).Encode(), Mask: 1}})},
		"rising": {gpio(config.GPIO{Line: "GPIO17", Edges: "rising", Bias: "pull-down"}, false, 0), 1,
			uapi.LineFlagV2Input | uapi.LineFlagV2EdgeRising | uapi.LineFlagV2BiasPullDown, "[]"},
		"falling": {gpio(config.GPIO{Line: "GPIO17", Edges: "falling", Bias: "disabled"}, false, 0), 1,
			uapi.LineFlagV2Input | uapi.LineFlagV2EdgeFalling | uapi.LineFlagV2BiasDisabled, "[]"},
		"output": {gpio(config.GPIO{Line: "GPIO17"}, true, 1), 1, uapi.LineFlagV2Output, fmt.Sprint([]uapi.LineConfigAttribute{{Attr: uapi.OutputValues(1).Encode(), Mask: 1}})},
	} {
		t.Run(name, func(t *testing.T) {
			testenv.CheckFDs(t)
			b := newBoard(t)
			d, err := device.Open(tc.conf, b.options())
			must(t, err)
			defer d.Close()
			r := b.request
			if r.Lines != 1 || r.Offsets[0] != tc.offset || r.Config.Flags != tc.flags || uapi.BytesToString(r.Consumer[:]) != "sallyport" {
				t.Errorf("offset %d, flags %#x, want %d, %#x", r.Offsets[0], r.Config.Flags, tc.offset, tc.flags)
			}
			if got := fmt.Sprint(r.Config.Attrs[:r.Config.NumAttrs]); got != tc.attr {
				t.Errorf("attributes %s, want %s", got, tc.attr)
			}
			o := d.Opened()[0]
			if o.Kind != scmrights.KindGPIOLine || o.Name != "d" || (len(o.Sensors) == 0) != tc.conf.Output {
				t.Errorf("%+v", o)
			}
			flags, err := unix.FcntlInt(o.File.Fd(), unix.F_GETFL, 0)
			if waits := tc.conf.GPIO.Edges != "" && tc.conf.GPIO.Edges != "none"; err != nil || (flags&unix.O_NONBLOCK != 0) != waits {
				t.Errorf("flags %#x, %v", flags, err)
			}
		})
	}
}

func TestLineRefuses(t *testing.T) {
	for text, g := range map[string]config.GPIO{
		`no line "GPIO99": not on this machine (there are ID_SDA, GPIO17`: {Line: "GPIO99"},
		"lines 3 and 4": {Line: "TWICE"},
		`line 5 of "pinctrl-bcm2835" is in use by "spi0 CS0"`: {Line: "GPIO27"},
		"has the lines 0 to 5, and no 6":                      {Offset: 6},
		`no GPIO chip has the label "pinctrl-rp1": not on`:    {Chip: "pinctrl-rp1"},
		`two chips have the label "twin"`:                     {Chip: "twin"},
	} {
		testenv.CheckFDs(t)
		conf := gpio(g, false, 0)
		if g.Chip != "" {
			conf.GPIO.Chip = g.Chip
		}
		_, err := device.Open(conf, newBoard(t).options())
		if err == nil || !strings.Contains(err.Error(), text) || errors.Is(err, device.ErrAbsent) != strings.Contains(text, ": not on") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestLineIsSafe(t *testing.T) {
	b := newBoard(t)
	d, err := device.Open(gpio(config.GPIO{Line: "GPIO17"}, true, 1), b.options())
	must(t, err)
	defer d.Close()
	b.level = 0 // what a worker did
	if v, err := d.Value(); v != 0 || err != nil {
		t.Error(v, err)
	}
	must(t, d.SetSafe())
	if v, err := d.Value(); v != 1 || err != nil || b.level != 1 {
		t.Error(v, err)
	}
	// A worker that calls a line lost that is there gets it again: it holds the
	// request itself, so that a new one would be refused.
	old := d.Opened()[0]
	again, err := d.Reopen("d")
	if must(t, err); again != old {
		t.Error("a line that works was requested anew")
	}
	b.gone = true
	fresh, err := d.Reopen("d")
	if must(t, err); fresh == old {
		t.Error("a line that is gone was not requested anew")
	}
	b.gone = false
	must(t, d.SetSafe()) // through the new descriptor
}

func TestI2CIsAimedBeforeTheGrant(t *testing.T) {
	for bus, node := range map[string]string{"i2c-1": "i2c-1", "HDMI": "i2c-20"} {
		b := newBoard(t)
		d, err := device.Open(config.Device{Name: "air", Kind: "i2c", I2C: &config.I2C{Bus: bus, Address: 0x23}, Channels: []string{"t", "p"}, Unit: "C", Pos: pos}, b.options())
		must(t, err)
		o := d.Opened()[0]
		if fmt.Sprint(b.said) != "[0x703 0x23]" || !strings.HasSuffix(o.File.Name(), "/"+node) || o.Name != "air" || o.Sensors[1].Name != "air.p" {
			t.Errorf("%s: %v, %+v", bus, b.said, o)
		}
		must(t, d.Close())
	}
	testenv.CheckFDs(t)
	for bus, text := range map[string]string{"i2c-1": "unbind", "i2c-9": `no I2C bus is called "i2c-9"`, "i2c": "no I2C bus"} {
		_, err := device.Open(config.Device{Name: "d", Kind: "i2c", I2C: &config.I2C{Bus: bus, Address: 0x50}, Pos: pos}, newBoard(t).options())
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", bus, err)
		}
	}
}

func TestSPIIsSetBeforeTheGrant(t *testing.T) {
	b := newBoard(t)
	d, err := device.Open(config.Device{Name: "adc", Kind: "spi", SPI: &config.SPI{Device: "spi0.1", Mode: 3, Speed: 500000, Bits: 16}, Pos: pos}, b.options())
	must(t, err)
	defer d.Close()
	if got := fmt.Sprint(b.said); got != "[0x40046b05 3 0x40016b03 16 0x40046b04 500000]" {
		t.Error(got)
	}
	_, err = device.Open(config.Device{Name: "adc", Kind: "spi", SPI: &config.SPI{Device: "spi9.0"}, Pos: pos}, b.options())
	if !errors.Is(err, device.ErrAbsent) {
		t.Error(err)
	}
}

// terminal makes a pseudo-terminal; its slave is a tty like another.
func terminal(t *testing.T) (master *os.File, path string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs /dev/ptmx: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	raw, err := master.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) {
		must(t, unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0))
		n, err := unix.IoctlGetUint32(int(fd), unix.TIOCGPTN)
		must(t, err)
		path = fmt.Sprintf("/dev/pts/%d", n)
	}))
	return master, path
}

func TestTTYIsRaw(t *testing.T) {
	for _, write := range []bool{false, true} {
		master, path := terminal(t)
		d, err := device.Open(config.Device{Name: "gps", Kind: "tty", TTY: &config.TTY{Path: path, Baud: 31250, Frame: "7E2", Write: write}, Pos: pos}, device.Options{})
		must(t, err)
		defer d.Close()
		o := d.Opened()[0]
		raw, err := o.File.SyscallConn()
		must(t, err)
		must(t, raw.Control(func(fd uintptr) {
			s, err := unix.IoctlGetTermios(int(fd), unix.TCGETS2)
			must(t, err)
			const cflag = unix.CS7 | unix.PARENB | unix.CSTOPB | unix.CREAD | unix.CLOCAL | unix.BOTHER
			// A pseudo-terminal has 8 bits and no parity, whatever is asked of it (pty_set_termios).
			const pty = unix.CSIZE | unix.PARENB
			if s.Ispeed != 31250 || s.Ospeed != 31250 || s.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 || s.Oflag&unix.OPOST != 0 || s.Cflag&^pty != cflag&^pty {
				t.Errorf("%+v", s)
			}
		}))
		// Every byte comes through as it is, at once, and none is an order.
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		_, err = master.Write(all)
		must(t, err)
		got := make([]byte, 256)
		must(t, o.File.SetDeadline(time.Now().Add(10*time.Second))) // it is in the poller
		if _, err := io.ReadFull(o.File, got); err != nil || string(got) != string(all) {
			t.Errorf("read %x, %v", got, err)
		}
		if _, err := o.File.Write([]byte("\n")); (err == nil) != write {
			t.Errorf("write %v: %v", write, err)
		}
	}
}

func TestTTYRefuses(t *testing.T) {
	testenv.CheckFDs(t)
	for path, text := range map[string]string{
		"/dev/null": "is not a serial line", "/dev/tty": "not a serial line", "/etc/passwd": "not a character device",
		"/dev/serial/by-id/none": "not on this machine",
	} {
		_, err := device.Open(config.Device{Name: "d", Kind: "tty", TTY: &config.TTY{Path: path, Baud: 9600, Frame: "8N1"}, Pos: pos}, device.Options{})
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
