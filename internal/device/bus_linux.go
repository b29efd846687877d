package device

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/pkg/scmrights"
)

// Requests of linux/i2c-dev.h and linux/spi/spidev.h.
const (
	i2cSlave = 0x0703 // I2C_SLAVE

	spiMode  = 0x40046b05 // SPI_IOC_WR_MODE32, _IOW('k', 5, __u32)
	spiBits  = 0x40016b03 // SPI_IOC_WR_BITS_PER_WORD, _IOW('k', 3, __u8)
	spiSpeed = 0x40046b04 // SPI_IOC_WR_MAX_SPEED_HZ, _IOW('k', 4, __u32)
)

// openI2C gives a descriptor that is aimed at one address. The kernel keeps the
// address for each open file, so that this one must be the worker's alone: a second
// grant of it aims at the same device. Whoever may make I2C_SLAVE or I2C_RDWR of it
// reaches the whole bus, hence the profile's list of requests.
func openI2C(conf config.Device, o Options) (*Opened, error) {
	name, err := findBus(conf.I2C.Bus, o)
	if err != nil {
		return nil, err
	}
	f, err := o.node(filepath.Join(o.dev(), name), unix.O_RDWR, subsystem("i2c-dev"))
	if err != nil {
		return nil, err
	}
	if err := o.drivers().Number(int(f.Fd()), i2cSlave, int(conf.I2C.Address)); err != nil {
		err = fmt.Errorf("%s: address %#02x: %w", name, conf.I2C.Address, err)
		if errors.Is(err, unix.EBUSY) {
			err = fmt.Errorf("%w: a driver of the kernel has it; read what that driver shows (hwmon, iio), or unbind it", err)
		}
		return nil, errors.Join(err, f.Close())
	}
	return &Opened{Name: conf.Name, Kind: scmrights.KindI2C, Access: scmrights.AccessBoth, File: f, Sensors: ownNumbers(conf)}, nil
}

// findBus gives the node of a bus: i2c-N as it is, or the adapter's name.
func findBus(bus string, o Options) (string, error) {
	root := filepath.Join(o.sys(), "class/i2c-dev")
	if names, err := entries(root, bus); err == nil && len(names) > 0 && names[0] == bus {
		return bus, nil
	}
	dir, err := only(root, "i2c-", bus, "I2C bus", func(p string) string { return line(p + "/name") })
	if err != nil {
		return "", fmt.Errorf("%w; the module i2c-dev makes the nodes", err)
	}
	return filepath.Base(dir), nil
}

// openSPI gives a descriptor of one chip select, with mode, word and clock set. The
// holder of SPI_IOC_MESSAGE may change word and clock of one transfer, not the mode.
func openSPI(conf config.Device, o Options) (*Opened, error) {
	f, err := o.node(filepath.Join(o.dev(), "spidev"+conf.SPI.Device[len("spi"):]), unix.O_RDWR, subsystem("spidev"))
	if err != nil {
		return nil, err
	}
	for _, set := range []struct {
		what    string
		request uint
		value   int
	}{{"mode", spiMode, conf.SPI.Mode}, {"bits", spiBits, conf.SPI.Bits}, {"speed", spiSpeed, conf.SPI.Speed}} {
		if err := o.drivers().Pointer(int(f.Fd()), set.request, int32(set.value)); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: set %s to %d: %w", conf.SPI.Device, set.what, set.value, err), f.Close())
		}
	}
	return &Opened{Name: conf.Name, Kind: scmrights.KindSPI, Access: scmrights.AccessBoth, File: f, Sensors: ownNumbers(conf)}, nil
}

// openTTY gives a serial line in raw mode. It is open for reading alone unless the
// configuration says write. It does not wait: the worker reads it by its poller.
func openTTY(conf config.Device, o Options) (*Opened, error) {
	flags, access := unix.O_RDONLY, scmrights.AccessRead
	if conf.TTY.Write {
		flags, access = unix.O_RDWR, scmrights.AccessBoth
	}
	// O_NONBLOCK also for the open itself, which would wait for a carrier.
	f, err := o.node(conf.TTY.Path, flags|unix.O_NONBLOCK, serialLine)
	if err != nil {
		return nil, err
	}
	raw, err := f.SyscallConn()
	if err == nil {
		if e := raw.Control(func(fd uintptr) { err = makeRaw(int(fd), conf.TTY) }); e != nil {
			err = e
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", conf.TTY.Path, err), f.Close())
	}
	return &Opened{Name: conf.Name, Kind: scmrights.KindTTY, Access: access, File: f, Sensors: ownNumbers(conf)}, nil
}

// makeRaw is cfmakeraw(3) with the speed as a number (BOTHER of termios2), the
// frame, no flow control, and no attention to modem lines. What came before is
// thrown away: it was received under other settings.
func makeRaw(fd int, t *config.TTY) error {
	s, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if err != nil {
		return os.NewSyscallError("ioctl(TCGETS2)", err)
	}
	s.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON | unix.IXOFF
	s.Oflag &^= unix.OPOST
	s.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	s.Cflag &^= unix.CSIZE | unix.PARENB | unix.PARODD | unix.CSTOPB | unix.CRTSCTS | unix.CBAUD | unix.CBAUD<<16
	s.Cflag |= unix.CREAD | unix.CLOCAL | unix.BOTHER | frame(t.Frame)
	s.Ispeed, s.Ospeed = uint32(t.Baud), uint32(t.Baud)
	s.Cc[unix.VMIN], s.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS2, s); err != nil {
		return os.NewSyscallError("ioctl(TCSETS2)", err)
	}
	return os.NewSyscallError("ioctl(TCFLSH)", unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH))
}

// frame gives the bits of c_cflag for data bits, parity and stop bits, as in 8N1.
func frame(text string) uint32 {
	bits := map[byte]uint32{'5': unix.CS5, '6': unix.CS6, '7': unix.CS7, '8': unix.CS8}[text[0]]
	bits |= map[byte]uint32{'N': 0, 'E': unix.PARENB, 'O': unix.PARENB | unix.PARODD}[text[1]]
	if text[2] == '2' {
		bits |= unix.CSTOPB
	}
	return bits
}

// ownNumbers are the sensors of a device whose worker makes numbers itself.
func ownNumbers(conf config.Device) []Sensor {
	var sensors []Sensor
	for _, name := range conf.Sensors() {
		sensors = append(sensors, Sensor{Name: name, Unit: conf.Unit})
	}
	return sensors
}
