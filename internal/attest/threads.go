package attest

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxRounds bounds how often a worker that keeps making threads is looked at.
const maxRounds = 20

// OwnFilters is the number of seccomp filters on this process, which every
// child of it inherits: 0 unless a container or a unit installs one.
func OwnFilters() (int, error) {
	text, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(fields(string(text))["Seccomp_filters"])
	if err != nil {
		return 0, errors.New("this kernel does not show Seccomp_filters (Linux 5.9)")
	}
	return n, nil
}

// threadsConfined is level 1: all threads are looked at, then again, until a
// round finds no thread that the one before had not. A thread has its filters
// from the one that started it, so a round without a new one covers those that
// are to come.
func (f *Proof) threadsConfined(d *procDir, e Expect) error {
	seen := map[string]bool{}
	for range maxRounds {
		tasks, err := d.list("task")
		if err != nil {
			return err
		}
		fresh := false
		alive := 0
		for _, tid := range tasks {
			text, err := d.read("task/" + tid + "/status")
			if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
				continue // a thread that has ended
			}
			if err != nil {
				return err
			}
			if err := e.checkStatus(fields(text)); err != nil {
				return fmt.Errorf("thread %s: %w", tid, err)
			}
			alive++
			fresh = fresh || !seen[tid]
			seen[tid] = true
		}
		if alive == 0 {
			return errors.New("no thread is left")
		}
		if !fresh {
			f.threads = alive
			return nil
		}
	}
	return fmt.Errorf("new threads in each of %d rounds", maxRounds)
}

// checkStatus compares one thread's status with what it should be.
func (e *Expect) checkStatus(have map[string]string) error {
	const none = "0000000000000000"
	uid, gid := strconv.FormatUint(uint64(e.UID), 10), strconv.FormatUint(uint64(e.GID), 10)
	want := [][2]string{
		{"Seccomp", "2"},
		{"Seccomp_filters", strconv.Itoa(e.Filters)},
		{"NoNewPrivs", "1"},
		{"CapInh", none}, {"CapPrm", none}, {"CapEff", none}, {"CapBnd", none}, {"CapAmb", none},
		{"Uid", strings.Join([]string{uid, uid, uid, uid}, "\t")},
		{"Gid", strings.Join([]string{gid, gid, gid, gid}, "\t")},
	}
	if !e.SharedID {
		want = append(want, [2]string{"Groups", ""})
	}
	for _, w := range want {
		value, shown := have[w[0]]
		switch {
		case !shown:
			return fmt.Errorf("the kernel does not show %s", w[0])
		case value != w[1]:
			return fmt.Errorf("%s is %q, want %q", w[0], value, w[1])
		}
	}
	return nil
}
