package config

import (
	"slices"
	"time"
)

// Config is one valid configuration, with defaults merged in.
type Config struct {
	Path        string
	Source      string // the text that all of this was read from
	Supervisor  Supervisor
	Devices     []Device
	Directories []Directory
	Sockets     []Socket
	Queues      []Queue
	Workers     []Worker // those to start
	Disabled    []Worker // checked like the others, not to be started
}

// Supervisor is about the parent itself.
type Supervisor struct {
	Name            string
	FirstID, LastID uint32 // pool of user and group ids, both ends included
	Control         string // path of the control socket
	Waive           []string
	HostIPC         bool // the queues are in the machine's IPC namespace
}

// Device is one thing that the parent opens for workers. Which of the fields are
// set depends on Kind.
type Device struct {
	Name, Kind string    // Kind: file thermal hwmon iio w1 sim gpio i2c spi tty
	Path       string    // file
	Type       string    // thermal
	HwmonName  string    // hwmon
	Input      string    // hwmon: "temp1" or a label; "" with Channels, or for temp1
	IIOName    string    // iio
	ID         string    // w1
	Decode     string    // "" is the kind's own
	Unit       string    // "" is the kind's own
	Channels   []string  // hwmon and iio; names of readings for i2c, spi and tty
	Printed    []Printed // printed: what a program prints, by name
	Sim        *Sim      // sim
	GPIO       *GPIO     // gpio
	I2C        *I2C      // i2c
	SPI        *SPI      // spi
	TTY        *TTY      // tty
	Optional   bool      // missing is degraded, not an error
	Shared     bool      // may go to several workers
	Output     bool      // the worker writes, the parent looks
	Safe       int       // what the parent sets when the worker of an output is lost
	Handover   string    // share move exclusive lend
	Pos        Pos
}

// Grants returns the names of its descriptors: those of its sensors where each is
// a file of its own, else its name.
func (d *Device) Grants() []string {
	switch d.Kind {
	case "gpio", "i2c", "spi", "tty", "printed":
		return []string{d.Name}
	}
	return d.Sensors()
}

// Sensors returns the names under which readings of the device travel: its own
// name, or one name a channel where it has several.
func (d *Device) Sensors() []string {
	if d.Kind == "printed" {
		var names []string
		for _, p := range d.Printed {
			names = append(names, d.Name+"."+p.Name)
		}
		return names
	}
	if len(d.Channels) < 2 {
		return []string{d.Name}
	}
	names := make([]string, len(d.Channels))
	for i, c := range d.Channels {
		names[i] = d.Name + "." + c
	}
	return names
}

// Sim is a simulated input: sine and square swing between Min and Max; pulse is
// Max during [After, After+For) of each Period and Min otherwise.
type Sim struct {
	Wave               string // sine square pulse
	Period, After, For time.Duration
	Min, Max           float64
}

// GPIO is one line of the chip with that label; Line is "" where Offset counts.
type GPIO struct {
	Chip, Line string
	Offset     int
	ActiveLow  bool
	Edges      string // none rising falling both
	Bias       string // as-is disabled pull-up pull-down
	Debounce   time.Duration
}

// I2C is one address of a bus.
type I2C struct {
	Bus     string
	Address uint16
}

// SPI is one chip of a bus; Speed is in Hz.
type SPI struct {
	Device            string // spi0.0
	Mode, Speed, Bits int
}

// TTY is a serial line.
type TTY struct {
	Path  string
	Baud  int
	Frame string // 8N1
	Write bool
}

// Directory is a place whose files the parent opens; its path never reaches a worker.
type Directory struct {
	Name, Path, Mode string // Mode: append-segments
	Pos              Pos
}

// Socket is a listener or a connection that the parent makes.
type Socket struct {
	Name    string
	Listen  bool   // else connect
	Network string // tcp udp unix
	Address string // literal address with port, or an absolute path
	Mode    uint32 // permission bits of a unix socket that is listened on
	// Handover of a listener is share or lend, of a connection move or exclusive.
	Handover string
	Pos      Pos
}

// SamePlace says whether two sockets are at one address.
func (s Socket) SamePlace(other Socket) bool {
	return s.Network == other.Network && s.Address == other.Address
}

// Queue is a set of lanes between its senders and receivers.
type Queue struct {
	Name, Isolation string // Isolation: per-worker shared
	Urgent, Routine Lane
	Pos             Pos
}

// Lane holds the bands of one urgency; a band's number is its System V message type.
type Lane struct {
	Bands map[string]uint16
	Bytes int
	Full  string // routine: drop-new or block; urgent: ""
	Flood Flood
	Key   int // of a shared queue that others join; 0 for none
}

// Flood says when a lane counts as flooded: Percent of it in use for For without
// a break. Percent 0 is never.
type Flood struct {
	Percent int
	For     time.Duration
}

// Worker is one process to run.
type Worker struct {
	ID                            uint32 // from 1, in the order of the file; disabled workers count too
	Name                          string
	Command                       []string // first an absolute path, or a name beneath workers/
	Settings                      map[string]string
	Devices, Directories, Sockets []string
	Policy                        string
	Queues                        []WorkerQueue
	Restart                       Restart
	Limits                        Limits
	ReadyWithin, Heartbeat        time.Duration
	Proof                         int
	Compare                       int // one in so many grants is looked at in the worker; 0 none
	After                         []string
	OnConnect                     bool          // starts when somebody connects
	Protocol                      int           // level of the hand-over: 2, 1 or 0
	Notify                        bool          // protocol 0: ready at READY=1
	StartGrace                    time.Duration // protocol 0 and 1: of the start-up calls, after the last exec
	ReadOnly                      []string      // absolute paths bound into its root
	PrintsTo                      string        // the program of a shim: the device that its standard output is
	Pos                           Pos
}

// WorkerQueue is a worker's part in a queue: names of bands, or "*" for all.
type WorkerQueue struct {
	Name          string
	Send, Receive []string
}

// Restart says what happens when a worker ends.
type Restart struct {
	When                   string // always on-failure never
	BackoffMin, BackoffMax time.Duration
	GiveUp                 int // this many failures ...
	GiveUpWithin           time.Duration
}

// Limits bound one worker's use of the machine.
type Limits struct {
	Memory           uint64 // bytes
	Tasks, OpenFiles uint32
	CPU              uint32 // hundredths of one processor; 0 is no limit
}

// Device returns the device of that name.
func (c *Config) Device(name string) (Device, bool) {
	i := slices.IndexFunc(c.Devices, func(d Device) bool { return d.Name == name })
	if i < 0 {
		return Device{}, false
	}
	return c.Devices[i], true
}

// Directory returns the directory of that name.
func (c *Config) Directory(name string) (Directory, bool) {
	i := slices.IndexFunc(c.Directories, func(d Directory) bool { return d.Name == name })
	if i < 0 {
		return Directory{}, false
	}
	return c.Directories[i], true
}

// Socket returns the socket of that name.
func (c *Config) Socket(name string) (Socket, bool) {
	i := slices.IndexFunc(c.Sockets, func(s Socket) bool { return s.Name == name })
	if i < 0 {
		return Socket{}, false
	}
	return c.Sockets[i], true
}

// UserID returns the user and group id of the worker from the pool.
func (c *Config) UserID(worker uint32) uint32 { return c.Supervisor.FirstID + worker - 1 }
