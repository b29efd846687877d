package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"sallyport/internal/config"
	"sallyport/internal/device"
	"sallyport/internal/systemd"
	"sallyport/pkg/scmrights"
)

// inputs are the devices and directories of the configuration, opened by the
// parent and granted by name.
type inputs struct {
	cfg       *config.Config
	owners    []uint32
	log       hclog.Logger
	listeners listeners
	manager   *systemd.Manager // keeps copies for the supervisor after a crash

	mu      sync.Mutex
	devices map[string]*device.Device // by device name; without absent optional ones
	absent  map[string]string         // why an optional device, or a lost grant of one, is missing
}

func openInputs(cfg *config.Config, owners []uint32, o options, log hclog.Logger) (*inputs, error) {
	in := newInputs(cfg, owners, o.manager, log)
	var faults []error
	for _, conf := range cfg.Devices {
		var options device.Options
		if !alone(conf.Handover) { // the store would be one holder more
			options.Kept = o.stored(storedDevice)
		}
		faults = append(faults, in.open(conf, options))
	}
	var err error
	if in.listeners, err = openListeners(cfg, source{inherited: o.inherited, mayBeBusy: o.check}, log); err != nil {
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return in, nil
}

func newInputs(cfg *config.Config, owners []uint32, manager *systemd.Manager, log hclog.Logger) *inputs {
	return &inputs{cfg: cfg, owners: owners, log: log, manager: manager, devices: make(map[string]*device.Device), absent: make(map[string]string)}
}

// open opens one device; an optional one may be absent.
func (in *inputs) open(conf config.Device, o device.Options) error {
	d, err := device.Open(conf, o)
	switch {
	case err == nil:
		in.devices[conf.Name] = d
	case conf.Optional && errors.Is(err, device.ErrAbsent):
		in.log.Warn("degraded: an optional device is missing", "why", err)
		in.absent[conf.Name] = err.Error()
	default:
		return err
	}
	return nil
}

// succeed opens the inputs of another configuration. What both have in the same
// way is shared; neither closes it while the other is in use (see leave).
func (in *inputs) succeed(cfg *config.Config) (*inputs, error) {
	next := newInputs(cfg, in.owners, in.manager, in.log)
	var faults []error
	for _, conf := range cfg.Devices {
		if !in.lend(conf, next) {
			faults = append(faults, next.open(conf, device.Options{}))
		}
	}
	var err error
	if next.listeners, err = openListeners(cfg, source{known: &in.listeners}, in.log); err != nil {
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, errors.Join(err, next.leave(in))
	}
	return next, nil
}

// lend gives next a device that is open here and configured in the same way.
func (in *inputs) lend(conf config.Device, next *inputs) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	old, known := in.cfg.Device(conf.Name)
	old.Pos = conf.Pos
	d := in.devices[conf.Name]
	if !known || d == nil || !reflect.DeepEqual(old, conf) {
		return false
	}
	next.devices[conf.Name] = d
	for _, name := range conf.Grants() {
		if why := in.absent[name]; why != "" {
			next.absent[name] = why
		}
	}
	return true
}

// leave closes what to does not have.
func (in *inputs) leave(to *inputs) error {
	errs := []error{in.listeners.leave(&to.listeners)}
	for name, d := range in.devices {
		if to.devices[name] != d {
			errs = append(errs, d.Close())
		}
	}
	return errors.Join(errs...)
}

// device finds an open device.
func (in *inputs) device(name string) *device.Device { return in.devices[name] }

// items gives what is granted for a device: nothing for one that is absent. The
// files belong to the device, but for those in owned, which the caller closes when
// they are offered.
func (in *inputs) items(name string) (items []scmrights.Item, owned []*os.File, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	d := in.devices[name]
	if d == nil {
		return nil, nil, nil
	}
	conf, _ := in.cfg.Device(name)
	for _, o := range d.Opened() {
		// It was lost and could not be opened again; or the last process had it,
		// and nobody else is to have the same open file.
		if in.absent[o.Name] != "" || alone(conf.Handover) {
			fresh, err := in.again(d, o.Name)
			if err != nil && !conf.Optional {
				return nil, owned, err
			}
			if err != nil {
				continue
			}
			o = fresh
		}
		items = append(items, itemOfDevice(conf, o))
		if alone(conf.Handover) {
			owned = append(owned, o.File)
		}
	}
	return items, owned, nil
}

// modes are those of the configuration.
var modes = map[string]scmrights.Mode{"share": scmrights.ModeShare, "move": scmrights.ModeMove,
	"exclusive": scmrights.ModeExclusive, "lend": scmrights.ModeLend}

// alone says whether a worker has what is handed over like this to itself.
func alone(handover string) bool { return handover == "move" || handover == "exclusive" }

func itemOfDevice(conf config.Device, o *device.Opened) scmrights.Item {
	return scmrights.Item{Name: o.Name, Kind: o.Kind, Mode: modes[conf.Handover], Access: o.Access, File: o.File}
}

// again re-opens one grant of a device; in.mu is held.
func (in *inputs) again(d *device.Device, name string) (*device.Opened, error) {
	fresh, err := d.Reopen(name)
	if err != nil {
		in.absent[name] = err.Error()
		return nil, err
	}
	delete(in.absent, name)
	if !alone(d.Handover()) {
		in.store(storedDevice+name, fresh.File)
	}
	return fresh, nil
}

// segment opens the day file of a directory; the caller owns the item's file.
func (in *inputs) segment(name string) (scmrights.Item, error) {
	dir, known := in.cfg.Directory(name)
	if !known {
		return scmrights.Item{}, fmt.Errorf("directory %q is not in the configuration", name)
	}
	f, cut, err := device.Segment(dir.Path, time.Now(), in.owners...)
	if err != nil {
		return scmrights.Item{}, fmt.Errorf("directory %q (%s): %w", name, dir.Pos, err)
	}
	if cut > 0 {
		in.log.Warn("a torn last line was cut off", "directory", name, "bytes", cut)
	}
	return scmrights.Item{Name: name, Kind: scmrights.KindFile, Mode: scmrights.ModeMove, Access: scmrights.AccessWrite, File: f}, nil
}

// reopen answers LOST and NEXT of a grant. owned says that the caller closes
// the item's file after the offer.
func (in *inputs) reopen(name string) (item scmrights.Item, owned bool, err error) {
	if _, known := in.cfg.Directory(name); known {
		item, err = in.segment(name)
		return item, true, err
	}
	if conf, known := in.cfg.Socket(name); known {
		return in.socket(conf, false)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, conf := range in.cfg.Devices {
		if d := in.devices[conf.Name]; d != nil && slices.Contains(conf.Grants(), name) {
			fresh, err := in.again(d, name)
			if err != nil {
				return scmrights.Item{}, false, err
			}
			return itemOfDevice(conf, fresh), alone(conf.Handover), nil
		}
	}
	return scmrights.Item{}, false, fmt.Errorf("no device or directory grants %q", name)
}

// grants says whether one of these devices or directories is granted as name.
func (in *inputs) grants(name string, devices, directories []string) bool {
	if slices.Contains(directories, name) {
		return true
	}
	return slices.ContainsFunc(devices, func(device string) bool {
		conf, known := in.cfg.Device(device)
		return known && slices.Contains(conf.Grants(), name)
	})
}

// makeSafe sets the outputs among the devices to their safe values.
func (in *inputs) makeSafe(devices []string) {
	for _, name := range devices {
		if d := in.devices[name]; d != nil {
			if err := d.SetSafe(); err != nil {
				in.log.Error("set to its safe value", "error", err)
			}
		}
	}
}

// degraded says what is missing that may be.
func (in *inputs) degraded() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	list := []string{}
	for _, why := range in.absent {
		list = append(list, why)
	}
	slices.Sort(list)
	return list
}

// Close closes every device and listener.
func (in *inputs) Close() error {
	errs := []error{in.listeners.Close()}
	for _, d := range in.devices {
		errs = append(errs, d.Close())
	}
	return errors.Join(errs...)
}
