package attest

import (
	"golang.org/x/sys/unix"

	"sallyport/internal/launch"
)

var CheckMaps = checkMaps

func CheckStatus(e Expect, status string) error { return e.checkStatus(fields(status)) }

// Below makes the checks read a directory that a test has made.
func Below(path string) (threads func(Expect) (int, error), root func() error, err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	d := &procDir{fd: fd}
	threads = func(e Expect) (int, error) {
		f := new(Proof)
		err := f.threadsConfined(d, e)
		return f.threads, err
	}
	return threads, func() error { return rootKnown(d, Expect{}) }, nil
}

// CheckDump is level 4 alone, for a program of that hash.
func CheckDump(p *launch.Process, filter [32]byte) error {
	d, err := openProc(p.PID())
	if err != nil {
		return err
	}
	defer d.close()
	return (&Proof{p: p, filter: filter}).filterDumped(d, Expect{Filters: 1})
}
