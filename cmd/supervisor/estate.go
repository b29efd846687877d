package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/attest"
	"sallyport/internal/bus"
	"sallyport/internal/cgroup"
	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/device"
	"sallyport/internal/fault"
	"sallyport/internal/lane"
	"sallyport/internal/launch"
	"sallyport/internal/monitor"
	"sallyport/internal/seccomp"
	"sallyport/pkg/scmrights"
)

// estateVersion is that of the text below. A program that reads another one
// cannot take over, and says so before anything has changed.
const estateVersion = 1

// maxEstate bounds in bytes what is read of one.
const maxEstate = 64 << 20

// estate is all that a supervisor leaves to the program that takes its place in
// the same process: JSON in a sealed memory file. Descriptors are by number.
type estate struct {
	Version int    `json:"sallyport_estate"`
	From    string // version of the program that wrote it

	// Known without a halt: what a program is asked about first.
	Config string // text of the configuration in force
	Lanes  bus.Estate

	// The rest is there when Complete is.
	Complete  bool
	Keep      []int // every descriptor that must stay open over the exec
	Frozen    instant
	Started   instant
	Sensors   []sensorEstate
	Devices   []device.Estate
	Absent    map[string]string
	Listeners []listenerEstate
	Switched  map[string]int
	Control   int
	Asker     int      // connection of who asked for the upgrade, -1 without
	Recent    []string // events, and lines of the log
	Logged    []string
	Tally     tallyEstate
	Missing   []protection
	Landlock  int
	Cgroups   *cgroup.Estate
	Workers   []workerEstate
	Outputs   []outputEstate
}

type sensorEstate struct {
	Name, Unit, Decode string
	Attribute          bool
	Worker             uint32
	Alerted            uint64
	Gone               bool
}

type listenerEstate struct {
	FD   int
	At   config.Socket
	Made bool
}

type workerEstate struct {
	Name    string
	Epoch   uint32
	Held    bool
	DiedAt  instant
	Monitor monitorEstate
	Delays  int // of the backoff that were taken since its last reset
	Last    string
	Says    string
	Session *sessionEstate
}

// monitorEstate has the monitor's times as instants.
type monitorEstate struct {
	monitor.Snapshot
	DeadlineAt, ReadySince instant
	FailedAt               []instant
}

type sessionEstate struct {
	Started, GrantedAt, GraceUntil instant
	Handover                       time.Duration
	Granted                        []string
	ReadySeq                       uint64
	Missing                        []string
	Channel                        scmrights.Estate
	Files                          []int // of Channel
	Process                        launch.Estate
	Proof                          attest.Estate
	Notify                         int
	Profile                        string        // that its filter was made of
	Texts                          seccomp.Texts // files of that, as they were then
	Program                        []byte        // that was compiled of it
	Cgroup                         bool          // it has one of its own
}

type outputEstate struct {
	Worker string
	Epoch  uint32
	FD     int
	Rest   []byte
	Cut    bool
}

type tallyEstate struct {
	Sums     control.Summary
	Ends     []endEstate
	Gaps     uint64
	InFlight uint64
}

type endEstate struct {
	Worker, Peer uint32
	Role         uint8
	Urgent       bool
	Epoch        uint32
	Count        lane.Count
	Ended        bool
}

// instant is a time of CLOCK_MONOTONIC in nanoseconds, which an exec does not
// change and nobody can set; 0 is none. A time.Time would lose its monotonic
// reading on the way, and a deadline would follow the wall clock.
type instant int64

func monotonic() instant {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(err) // every Linux has this clock
	}
	return instant(now.Nano())
}

func instantOf(t time.Time) instant {
	if t.IsZero() {
		return 0
	}
	return monotonic() - instant(time.Since(t))
}

func (i instant) time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.Now().Add(-time.Duration(monotonic() - i))
}

// seals keep everybody, us included, from changing an estate that is written.
const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL

// seal writes an estate into a memory file, which the caller owns.
func (e *estate) seal() (*os.File, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("estate: %w", err)
	}
	n, err := unix.MemfdCreate("estate", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(n), "estate")
	_, err = f.Write(text)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(n), unix.F_ADD_SEALS, seals)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("estate: %w", err), f.Close())
	}
	return f, nil
}

// readEstate reads a sealed estate; the number stays open.
func readEstate(number int) (*estate, error) {
	if got, err := unix.FcntlInt(uintptr(number), unix.F_GET_SEALS, 0); err != nil || got&seals != seals {
		return nil, fmt.Errorf("estate: descriptor %d is no sealed memory file (%#x, %v)", number, got, err)
	}
	text, err := io.ReadAll(io.LimitReader(&at{number: number}, maxEstate))
	if err != nil {
		return nil, fmt.Errorf("estate: %w", err)
	}
	var head struct {
		Version int `json:"sallyport_estate"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("estate: %w", err)
	}
	reads := estateVersion
	if fault.On("other-estate") {
		reads++
	}
	if head.Version != reads {
		return nil, fmt.Errorf("the estate has version %d, and this program (%s): it reads version %d", head.Version, version, reads)
	}
	var e estate
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return nil, fmt.Errorf("estate: %w", err)
	}
	return &e, nil
}

// at reads a descriptor from its beginning without moving its offset, which a
// predecessor shares.
type at struct {
	number int
	offset int64
}

func (a *at) Read(b []byte) (int, error) {
	n, err := unix.Pread(a.number, b, a.offset)
	if err != nil {
		return 0, os.NewSyscallError("pread", err)
	}
	if n == 0 {
		return 0, io.EOF
	}
	a.offset += int64(n)
	return n, nil
}
