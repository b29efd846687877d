package device

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"sallyport/internal/config"
	"sallyport/pkg/scmrights"
)

// ErrAbsent is wrapped by the error of Open when the machine has no such device.
// An optional device may be absent.
var ErrAbsent = errors.New("not on this machine")

// Error names the block of the configuration that could not be opened.
type Error struct {
	Device string
	Pos    config.Pos
	Err    error
}

func (e *Error) Error() string { return fmt.Sprintf("device %q (%s): %v", e.Device, e.Pos, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Options say where the kernel's files are; the zero value is the real place. With
// another Sys nothing is demanded of the file system, and with another Dev nothing
// of its nodes, so that a test can make them; Drivers then answer for the kernel.
type Options struct {
	Sys, Proc, Dev string   // "" is /sys, /proc and /dev
	Drivers        *Drivers // nil is the kernel
	// Kept gives the descriptor that a predecessor of this process had open for
	// the grant of that name, nil when there is none. Open uses it in the place of
	// one of its own if it leads to the very file that the configuration names;
	// else Open closes it. Reopen never asks.
	Kept func(name string) *os.File
}

func (o Options) dev() string {
	if o.Dev == "" {
		return "/dev"
	}
	return o.Dev
}

func (o Options) drivers() Drivers {
	if o.Drivers == nil {
		return kernel
	}
	return *o.Drivers
}

func (o Options) sys() string {
	if o.Sys == "" {
		return "/sys"
	}
	return o.Sys
}

func (o Options) proc() string {
	if o.Proc == "" {
		return "/proc"
	}
	return o.Proc
}

// Sensor is one value that a descriptor holds.
type Sensor struct {
	Name, Unit, Decode string
}

// Opened is one descriptor to grant. File belongs to the Device: an offer dups it.
type Opened struct {
	Name    string // of the grant
	Kind    scmrights.Kind
	Access  scmrights.Access
	File    *os.File
	Sensors []Sensor // none for an output
}

// Device is an open device. Its methods may be called from several goroutines.
type Device struct {
	conf config.Device
	opts Options

	mu     sync.Mutex
	opened []*Opened
	sim    *sim
	output output // nil for an input

	printed *printed // nil but for the lines of a program
}

// output is what the parent can do with the value of an output.
type output interface {
	set(v int) error
	value() (int, error)
}

// attribute is one file of a device, found and not yet opened.
type attribute struct {
	name         string // of the grant
	dir, file    string
	sysfs        bool // must lie on sysfs
	decode, unit string
}

// kinds find the attributes of a device, in the order of its Sensors.
var kinds = map[string]func(config.Device, Options) ([]attribute, error){
	"file": findFile, "thermal": findThermal, "hwmon": findHwmon, "iio": findIIO, "w1": findW1,
}

// setUp opens the descriptor of a device that needs more than an open.
var setUp = map[string]func(config.Device, Options) (*Opened, error){
	"gpio": openLine, "i2c": openI2C, "spi": openSPI, "tty": openTTY,
}

// Open opens all descriptors of a device or none. The error is an *Error; it wraps
// ErrAbsent when there is no such device, and the errno where the kernel gave one.
func Open(conf config.Device, o Options) (*Device, error) {
	d := &Device{conf: conf, opts: o}
	err := d.open()
	if err != nil {
		_ = d.Close()
		return nil, d.wrap(err)
	}
	return d, nil
}

func (d *Device) wrap(err error) error {
	if err == nil {
		return nil
	}
	return &Error{Device: d.conf.Name, Pos: d.conf.Pos, Err: err}
}

func (d *Device) open() error {
	if d.conf.Kind == "sim" {
		s, err := newSim(d.conf)
		if err != nil {
			return err
		}
		d.sim = s
		opened, err := s.grant(d.conf)
		if err != nil {
			return err
		}
		d.opened = []*Opened{opened}
		if d.conf.Output {
			d.output = s
		}
		return nil
	}
	if d.conf.Kind == "printed" {
		pipe, opened, err := newPrinted(d.conf, d.opts)
		if err != nil {
			return err
		}
		d.printed, d.opened = pipe, []*Opened{opened}
		return nil
	}
	if set := setUp[d.conf.Kind]; set != nil {
		opened, err := set(d.conf, d.opts)
		if err != nil {
			return err
		}
		d.hold(opened)
		return nil
	}
	found, err := d.find()
	if err != nil {
		return err
	}
	for _, a := range found {
		opened, err := a.open(d.opts)
		if err != nil {
			return err
		}
		d.opened = append(d.opened, opened)
	}
	return nil
}

// hold makes opened the device's only descriptor.
func (d *Device) hold(opened *Opened) {
	d.opened = []*Opened{opened}
	if d.conf.Output {
		d.output = outputLine{opened.File, d.opts.drivers()}
	}
}

// find resolves names and lays the configured decode and unit over the kind's own.
func (d *Device) find() ([]attribute, error) {
	find, known := kinds[d.conf.Kind]
	if !known {
		return nil, fmt.Errorf("kind %q cannot be opened", d.conf.Kind)
	}
	found, err := find(d.conf, d.opts)
	names := d.conf.Sensors()
	for i := range found {
		found[i].name = names[i]
		if d.conf.Decode != "" {
			found[i].decode = d.conf.Decode
		}
		if d.conf.Unit != "" {
			found[i].unit = d.conf.Unit
		}
	}
	return found, err
}

// Handover is the configuration's word for how a worker is given the device.
func (d *Device) Handover() string { return d.conf.Handover }

// Opened returns the descriptors to grant, in the order of the configuration.
func (d *Device) Opened() []*Opened {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]*Opened(nil), d.opened...)
}

// Reopen closes the descriptor of that name and finds and opens it anew, for a
// worker that reported it lost: the device may be back under another number. When
// it is not back the name stays closed and the error wraps ErrAbsent; try again.
func (d *Device) Reopen(name string) (*Opened, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, old := range d.opened {
		if old.Name != name {
			continue
		}
		if d.requested(old) || d.printed != nil {
			return old, nil
		}
		_ = old.File.Close()
		fresh, err := d.again(name)
		if err != nil {
			return nil, d.wrap(err)
		}
		if d.opened[i] = fresh; d.conf.Kind == "gpio" {
			d.hold(fresh)
		}
		return fresh, nil
	}
	return nil, d.wrap(fmt.Errorf("there is no grant %q", name))
}

// requested says that a line is still ours and its chip still there. Its worker has
// a copy, so that closing this one would not release the line for a new request.
func (d *Device) requested(o *Opened) bool {
	if d.conf.Kind != "gpio" {
		return false
	}
	_, err := outputLine{o.File, d.opts.drivers()}.value()
	return err == nil
}

func (d *Device) again(name string) (*Opened, error) {
	if d.sim != nil {
		return d.sim.grant(d.conf)
	}
	if set := setUp[d.conf.Kind]; set != nil {
		return set(d.conf, d.opts)
	}
	found, err := d.find()
	if err != nil {
		return nil, err
	}
	for _, a := range found {
		if a.name == name {
			return a.open(Options{})
		}
	}
	return nil, ErrAbsent
}

// Step writes the value that a simulated input has now; other devices do nothing.
// The wave begins with the first Step.
func (d *Device) Step(now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sim == nil || d.conf.Output {
		return nil
	}
	return d.wrap(d.sim.step(now))
}

// Rests returns for how long the value that Step wrote at now stays what it is;
// false for a device that Step does nothing for.
func (d *Device) Rests(now time.Time) (time.Duration, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sim == nil || d.conf.Output {
		return 0, false
	}
	return d.sim.rests(now), true
}

// Value returns what a worker has set an output to: 0 or 1.
func (d *Device) Value() (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.output == nil {
		return 0, d.wrap(errors.New("is no output"))
	}
	v, err := d.output.value()
	return v, d.wrap(err)
}

// SetSafe sets an output to its safe value, when its worker is lost; other devices
// do nothing.
func (d *Device) SetSafe() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.output == nil {
		return nil
	}
	return d.wrap(d.output.set(d.conf.Safe))
}

// Close closes every descriptor. The second call does nothing.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, o := range d.opened {
		if err := o.File.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	d.opened, d.output = nil, nil
	if d.sim != nil {
		errs = append(errs, d.sim.close())
		d.sim = nil
	}
	if d.printed != nil {
		errs = append(errs, d.printed.in.Close())
		d.printed = nil
	}
	return d.wrap(errors.Join(errs...))
}
