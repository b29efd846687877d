package attest

import "golang.org/x/sys/unix"

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
