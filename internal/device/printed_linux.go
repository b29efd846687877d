package device

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/pkg/scmrights"
)

// printed is the pipe between a program that prints its values and the worker that
// sends them. Both ends stay here, so that either of the two can be started anew
// and finds the other's.
type printed struct{ in *os.File }

// newPrinted makes the pipe, or takes the one that a predecessor had. Neither end
// is nonblocking: the program would be refused what it prints while the reader is
// slow.
func newPrinted(conf config.Device, opts Options) (*printed, *Opened, error) {
	out, in, err := pipeOf(conf.Name, opts)
	if err != nil {
		return nil, nil, err
	}
	o := &Opened{Name: conf.Name, Kind: scmrights.KindPipe, Access: scmrights.AccessRead, File: out}
	names := conf.Sensors()
	for i, p := range conf.Printed {
		o.Sensors = append(o.Sensors, Sensor{Name: names[i], Unit: p.Unit})
	}
	return &printed{in}, o, nil
}

func pipeOf(name string, opts Options) (out, in *os.File, err error) {
	if opts.Kept != nil {
		if kept := opts.Kept(name); kept != nil {
			if in = otherEnd(kept); in != nil {
				return kept, in, nil
			}
			_ = kept.Close() // it is no pipe
		}
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("pipe of what is printed: %w", err)
	}
	return os.NewFile(uintptr(pipe[0]), name), os.NewFile(uintptr(pipe[1]), name), nil
}

// otherEnd opens a pipe for writing, nil for anything else: an end of a pipe leads
// to the other by its link in /proc (proc_pid_fd(5)).
func otherEnd(f *os.File) *os.File {
	about, err := f.Stat()
	if err != nil || about.Mode()&os.ModeNamedPipe == 0 {
		return nil
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return nil
	}
	in := -1
	if err := conn.Control(func(fd uintptr) {
		in, _ = unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	}); err != nil || in < 0 {
		return nil
	}
	return os.NewFile(uintptr(in), f.Name())
}

// Printer is where a program prints; nil for every other kind. It stays the
// Device's.
func (d *Device) Printer() *os.File {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.printed == nil {
		return nil
	}
	return d.printed.in
}
