package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// table is a descriptor table: what readlink says of each entry of
// /proc/self/fd, sorted.
type table []string

// descriptors reads the own table. What the runtime opens once and keeps (its
// epoll and eventfd) is opened first, so that it is in every reading.
func descriptors() (table, error) { return descriptorsBut(nil) }

// descriptorsBut leaves some numbers out.
func descriptorsBut(numbers []int) (table, error) {
	r, w, err := os.Pipe() // starts the runtime's poller
	if err != nil {
		return nil, err
	}
	err = errors.Join(r.Close(), w.Close())
	entries, dirErr := os.ReadDir("/proc/self/fd")
	if err := errors.Join(err, dirErr); err != nil {
		return nil, err
	}
	var t table
	for _, e := range entries {
		link, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil {
			continue // the descriptor ReadDir itself used
		}
		if n, err := strconv.Atoi(e.Name()); err == nil && slices.Contains(numbers, n) {
			continue
		}
		t = append(t, link)
	}
	slices.Sort(t)
	return t, nil
}

// leaked names what is open now and was not at the start, but for the control
// socket, which still has the summary to send; and every descriptor that waits
// unread in the queue of a socket of ours.
func (s *supervisor) leaked() ([]string, error) {
	now, err := descriptors()
	if err != nil {
		return nil, err
	}
	expected := slices.Concat(s.baseline, s.server.Sockets())
	var left []string
	for _, link := range now {
		if i := slices.Index(expected, link); i >= 0 {
			expected = slices.Delete(expected, i, i+1)
			continue
		}
		left = append(left, link)
	}
	queued, err := queuedDescriptors()
	for range queued {
		left = append(left, "in the queue of a socket")
	}
	return left, err
}

// queuedDescriptors adds up scm_fds of /proc/self/fdinfo: descriptors sent to
// a socket of ours and not received (unix(7); kernel 5.6 and later).
func queuedDescriptors() (int, error) {
	entries, err := os.ReadDir("/proc/self/fdinfo")
	if err != nil {
		return 0, err
	}
	sum := 0
	for _, e := range entries {
		text, err := os.ReadFile("/proc/self/fdinfo/" + e.Name())
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
			if count, found := strings.CutPrefix(lines.Text(), "scm_fds:"); found {
				n, err := strconv.Atoi(strings.TrimSpace(count))
				if err != nil {
					return sum, fmt.Errorf("fdinfo of %s: %w", e.Name(), err)
				}
				sum += n
			}
		}
	}
	return sum, nil
}
