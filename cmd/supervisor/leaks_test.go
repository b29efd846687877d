package main

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDescriptorsShowWhatIsOpen: the table is the kernel's, so a descriptor
// opened by anybody is in it, and one that is closed is not.
func TestDescriptorsShowWhatIsOpen(t *testing.T) {
	before, err := descriptors()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.MemfdCreate("leak-test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	during, err := descriptors()
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	after, err := descriptors()
	if err != nil {
		t.Fatal(err)
	}
	if len(during) != len(before)+1 || !slices.Equal(before, after) {
		t.Errorf("before %v\nduring %v\nafter %v", before, during, after)
	}
}

// TestQueuedDescriptorsAreCounted sends a descriptor to a socket of ours and
// does not receive it.
func TestQueuedDescriptorsAreCounted(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	before, err := queuedDescriptors()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Sendmsg(pair[0], []byte{1}, unix.UnixRights(int(os.Stdin.Fd())), nil, 0); err != nil {
		t.Fatal(err)
	}
	after, err := queuedDescriptors()
	if err != nil || after != before+1 {
		t.Errorf("%d descriptors wait, before it were %d; error %v", after, before, err)
	}
}
