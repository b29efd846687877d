package device

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/pkg/scmrights"
)

// simSize is the size of a simulated input: a number of 15 characters and a newline,
// rewritten by one pwrite.
const simSize = 16

// sim is a memfd that stands for a device. The parent keeps the descriptor that
// reads and writes; a worker's descriptor is opened anew for its direction only.
// The size is sealed, so that a worker cannot make it fill the memory.
type sim struct {
	file   *os.File
	wave   config.Sim
	origin time.Time
}

func newSim(conf config.Device) (*sim, error) {
	name := "sim:" + conf.Name
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	s := &sim{file: os.NewFile(uintptr(fd), name)}
	if conf.Output {
		err = s.set(conf.Safe)
	} else {
		s.wave = *conf.Sim
		err = s.write(waveAt(s.wave, 0))
	}
	if err == nil {
		err = os.NewSyscallError("fchmod", unix.Fchmod(fd, 0o600))
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
		err = os.NewSyscallError("fcntl", err)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// grant opens the worker's descriptor.
func (s *sim) grant(conf config.Device) (*Opened, error) {
	o := &Opened{Name: conf.Name, Kind: scmrights.KindMemfd, Access: scmrights.AccessWrite}
	flags := unix.O_WRONLY
	if !conf.Output {
		flags = unix.O_RDONLY
		decode := conf.Decode
		if decode == "" {
			decode = "raw"
		}
		o.Kind, o.Access = scmrights.KindAttribute, scmrights.AccessRead
		o.Sensors = []Sensor{{Name: conf.Name, Unit: conf.Unit, Decode: decode}}
	}
	raw, err := s.file.SyscallConn()
	if err != nil {
		return nil, err
	}
	opened := -1
	if e := raw.Control(func(fd uintptr) {
		opened, err = unix.Open("/proc/self/fd/"+strconv.Itoa(int(fd)), flags|unix.O_CLOEXEC, 0)
	}); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: s.file.Name(), Err: err}
	}
	o.File = os.NewFile(uintptr(opened), s.file.Name())
	return o, nil
}

func (s *sim) step(now time.Time) error {
	if s.origin.IsZero() {
		s.origin = now
	}
	return s.write(waveAt(s.wave, now.Sub(s.origin)))
}

// rests is how long the value of now stays what it is.
func (s *sim) rests(now time.Time) time.Duration { return waveRests(s.wave, now.Sub(s.origin)) }

func (s *sim) write(v float64) error {
	text := fmt.Sprintf("%-15.3f\n", v)
	if len(text) != simSize {
		return fmt.Errorf("the value %g does not fit in %d bytes", v, simSize)
	}
	_, err := s.file.WriteAt([]byte(text), 0)
	return err
}

func (s *sim) set(v int) error {
	_, err := s.file.WriteAt([]byte(strconv.Itoa(v)), 0)
	return err
}

// value reads what a worker wrote: any byte at all may stand there.
func (s *sim) value() (int, error) {
	var b [1]byte
	if _, err := s.file.ReadAt(b[:], 0); err != nil {
		return 0, err
	}
	if b[0] != '0' && b[0] != '1' {
		return 0, fmt.Errorf("the worker wrote %q where 0 or 1 is wanted", b[0])
	}
	return int(b[0] - '0'), nil
}

func (s *sim) close() error { return s.file.Close() }
