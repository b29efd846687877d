package device

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/pkg/scmrights"
)

// Estate is what a Device leaves to one in another program that this process
// executes. It can be encoded as JSON; descriptors are by number, -1 for one that
// was lost and could not be opened again.
type Estate struct {
	Name   string
	Opened []OpenedEstate
	Sim    int       // the parent's descriptor of a simulated device, -1
	Origin time.Time // of its wave, zero before the first step
}

// OpenedEstate is one descriptor with what it is granted as.
type OpenedEstate struct {
	Name     string
	Kind     scmrights.Kind
	Access   scmrights.Access
	FD       int
	Dev, Ino uint64
	Sensors  []Sensor
}

// Export describes the device. The numbers stay the Device's.
func (d *Device) Export() (Estate, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := Estate{Name: d.conf.Name, Sim: -1}
	for _, o := range d.opened {
		one := OpenedEstate{Name: o.Name, Kind: o.Kind, Access: o.Access, FD: -1, Sensors: o.Sensors}
		if conn, err := o.File.SyscallConn(); err == nil {
			var st unix.Stat_t
			_ = conn.Control(func(fd uintptr) { // a closed one keeps the -1
				if unix.Fstat(int(fd), &st) == nil {
					one.FD, one.Dev, one.Ino = int(fd), uint64(st.Dev), st.Ino
				}
			})
		}
		e.Opened = append(e.Opened, one)
	}
	if d.sim == nil {
		return e, nil
	}
	e.Origin = d.sim.origin
	conn, err := d.sim.file.SyscallConn()
	if err == nil {
		err = conn.Control(func(fd uintptr) { e.Sim = int(fd) })
	}
	return e, d.wrap(err)
}

// Adopt makes a device of what another one left, which was made of the same
// configuration. When it fails it has taken nothing.
func Adopt(conf config.Device, e Estate) (*Device, error) {
	d := &Device{conf: conf}
	if err := e.check(conf); err != nil {
		return nil, d.wrap(err)
	}
	for _, one := range e.Opened {
		o := &Opened{Name: one.Name, Kind: one.Kind, Access: one.Access, Sensors: one.Sensors}
		if one.FD >= 0 {
			unix.CloseOnExec(one.FD)
			o.File = os.NewFile(uintptr(one.FD), one.Name)
		} else {
			o.File = closed()
		}
		d.opened = append(d.opened, o)
	}
	if e.Sim >= 0 {
		unix.CloseOnExec(e.Sim)
		d.sim = &sim{file: os.NewFile(uintptr(e.Sim), "sim:"+conf.Name), origin: e.Origin}
		if conf.Sim != nil {
			d.sim.wave = *conf.Sim
		}
		if conf.Output {
			d.output = d.sim
		}
	}
	if conf.Kind == "gpio" {
		d.hold(d.opened[0])
	}
	return d, nil
}

// closed stands for a descriptor that was lost.
func closed() *os.File {
	f, err := os.Open(os.DevNull)
	if err == nil {
		_ = f.Close()
	}
	return f
}

func (e *Estate) check(conf config.Device) error {
	if e.Name != conf.Name || (conf.Kind == "sim") != (e.Sim >= 0) {
		return fmt.Errorf("left as %q with simulation %d", e.Name, e.Sim)
	}
	for _, one := range e.Opened {
		if one.FD < 0 {
			continue
		}
		var st unix.Stat_t
		if err := unix.Fstat(one.FD, &st); err != nil || uint64(st.Dev) != one.Dev || st.Ino != one.Ino {
			return fmt.Errorf("%s: descriptor %d leads to another file than the one left (%v)", one.Name, one.FD, err)
		}
	}
	if len(e.Opened) == 0 {
		return errors.New("no descriptor was left")
	}
	return nil
}
