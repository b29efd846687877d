package device

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/pkg/scmrights"
)

// consumer is the name that gpioinfo shows for a line that is taken.
const consumer = "sallyport"

// openLine requests one line of a chip. What is granted is the line: its holder
// has no way to another line of the chip, whose own descriptor is closed here. The
// request holds until its last descriptor is closed.
func openLine(conf config.Device, o Options) (*Opened, error) {
	g := conf.GPIO
	chip, err := findChip(g.Chip, o)
	if err != nil {
		return nil, err
	}
	defer chip.Close()
	offset, err := findLine(chip, g, o)
	if err != nil {
		return nil, err
	}
	request := lineRequest(conf, offset)
	if err := o.drivers().Line(chip.Fd(), request); err != nil {
		return nil, fmt.Errorf("%s: line %d: request it: %w", chip.Name(), offset, err)
	}
	fd := int(request.Fd)
	opened := &Opened{Name: conf.Name, Kind: scmrights.KindGPIOLine, Access: scmrights.AccessBoth}
	if !conf.Output {
		opened.Access = scmrights.AccessRead
		opened.Sensors = ownNumbers(conf)
	}
	// Events are waited for in a poller; values are asked for and never wait.
	if g.Edges != "none" && g.Edges != "" {
		if err := unix.SetNonblock(fd, true); err != nil {
			return nil, errors.Join(os.NewSyscallError("fcntl(F_SETFL)", err), unix.Close(fd))
		}
	}
	opened.File = os.NewFile(uintptr(fd), fmt.Sprintf("%s line %d", g.Chip, offset))
	return opened, nil
}

func lineRequest(conf config.Device, offset int) *uapi.LineRequest {
	g := conf.GPIO
	r := &uapi.LineRequest{Lines: 1}
	r.Offsets[0] = uint32(offset)
	copy(r.Consumer[:len(r.Consumer)-1], consumer)
	flags := map[string]uapi.LineFlagV2{
		"rising": uapi.LineFlagV2EdgeRising, "falling": uapi.LineFlagV2EdgeFalling, "both": uapi.LineFlagV2EdgeBoth,
		"disabled": uapi.LineFlagV2BiasDisabled, "pull-up": uapi.LineFlagV2BiasPullUp, "pull-down": uapi.LineFlagV2BiasPullDown,
	}
	r.Config.Flags = uapi.LineFlagV2Input | flags[g.Edges] | flags[g.Bias]
	if g.ActiveLow {
		r.Config.Flags |= uapi.LineFlagV2ActiveLow
	}
	if g.Debounce > 0 {
		r.Config.AddAttribute(uapi.LineConfigAttribute{Attr: uapi.DebouncePeriod(g.Debounce).Encode(), Mask: 1})
	}
	if conf.Output {
		r.Config.Flags = r.Config.Flags&^uapi.LineFlagV2Input | uapi.LineFlagV2Output
		r.Config.AddAttribute(uapi.LineConfigAttribute{Attr: uapi.OutputValues(conf.Safe).Encode(), Mask: 1})
	}
	return r
}

// findChip opens the chip that has the label; numbers of chips change.
func findChip(label string, o Options) (*os.File, error) {
	names, err := entries(o.dev(), "gpiochip")
	if err != nil {
		return nil, err
	}
	var found *os.File
	var have []string
	for _, name := range names {
		chip, err := o.node(filepath.Join(o.dev(), name), unix.O_RDWR, subsystem("gpio"))
		if err != nil {
			return nil, errors.Join(err, closeFile(found))
		}
		info, err := o.drivers().ChipInfo(chip.Fd())
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: ask for its label: %w", name, err), chip.Close(), closeFile(found))
		}
		got := uapi.BytesToString(info.Label[:])
		have = append(have, fmt.Sprintf("%q", got))
		switch {
		case got != label:
			chip.Close()
		case found != nil:
			chip.Close()
			return nil, errors.Join(fmt.Errorf("two chips have the label %q: %s and %s", label, found.Name(), name), found.Close())
		default:
			found = chip
		}
	}
	if found == nil {
		return nil, fmt.Errorf("no GPIO chip has the label %q: %w (there are %s)", label, ErrAbsent, listed(have))
	}
	return found, nil
}

// findLine gives the number of the line, and refuses one that somebody has.
func findLine(chip *os.File, g *config.GPIO, o Options) (int, error) {
	info, err := o.drivers().ChipInfo(chip.Fd())
	if err != nil {
		return 0, fmt.Errorf("%s: %w", chip.Name(), err)
	}
	first, last := 0, int(info.Lines)-1
	if g.Line == "" {
		if g.Offset > last {
			return 0, fmt.Errorf("the chip %q has the lines 0 to %d, and no %d", g.Chip, last, g.Offset)
		}
		first, last = g.Offset, g.Offset
	}
	match := -1
	var have []string
	for n := first; n <= last; n++ {
		info, err := o.drivers().LineInfo(chip.Fd(), n)
		if err != nil {
			return 0, fmt.Errorf("%s: line %d: %w", chip.Name(), n, err)
		}
		name := uapi.BytesToString(info.Name[:])
		if g.Line != "" && name != g.Line {
			if name != "" {
				have = append(have, name)
			}
			continue
		}
		if match >= 0 {
			return 0, fmt.Errorf("the lines %d and %d of %q are both called %q: name one by offset", match, n, g.Chip, g.Line)
		}
		if info.Flags.IsUsed() {
			return 0, fmt.Errorf("line %d of %q is in use by %q: %w", n, g.Chip, uapi.BytesToString(info.Consumer[:]), unix.EBUSY)
		}
		match = n
	}
	if match < 0 {
		return 0, fmt.Errorf("the chip %q has no line %q: %w (there are %s)", g.Chip, g.Line, ErrAbsent, listed(have))
	}
	return match, nil
}

// listed shortens what is there to what a message can hold.
func listed(have []string) string {
	switch {
	case len(have) == 0:
		return "none with a name"
	case len(have) > 24:
		return strings.Join(have[:24], ", ") + ", ..."
	}
	return strings.Join(have, ", ")
}

func closeFile(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

// outputLine is the parent's side of an output.
type outputLine struct {
	file    *os.File
	drivers Drivers
}

func (l outputLine) set(v int) error {
	return l.control(func(fd uintptr) error {
		return l.drivers.SetValues(fd, uapi.LineValues{Bits: uapi.NewLineBitmap(v), Mask: 1})
	})
}

func (l outputLine) value() (v int, err error) {
	err = l.control(func(fd uintptr) error {
		values := uapi.LineValues{Mask: 1}
		err := l.drivers.Values(fd, &values)
		v = values.Get(0)
		return err
	})
	return v, err
}

func (l outputLine) control(do func(fd uintptr) error) error {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return err
	}
	if e := raw.Control(func(fd uintptr) { err = do(fd) }); e != nil {
		return e
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.file.Name(), err)
	}
	return nil
}
