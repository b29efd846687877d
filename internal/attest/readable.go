package attest

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// readable reports whether descriptor n is a file or directory that the worker
// opened by itself beneath what its root shows it, to read: of a mount of its own
// mount namespace that is read-only. An interpreter holds its script in this way.
// What it could have inherited is of other mounts.
func readable(d *procDir, n int) (bool, error) {
	info, err := d.read("fdinfo/" + strconv.Itoa(n))
	if err != nil {
		return false, err
	}
	flags, err := strconv.ParseUint(field(info, "flags:"), 8, 32)
	if err != nil {
		return false, fmt.Errorf("flags of descriptor %d: %w", n, err)
	}
	mount := field(info, "mnt_id:")
	if mount == "" || flags&(unix.O_ACCMODE|unix.O_PATH) != unix.O_RDONLY {
		return false, nil
	}
	mounts, err := d.read("mountinfo")
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(mounts) {
		// 36 35 98:0 /lib /lib ro,nosuid - ext4 /dev/root rw: the options are the mount's own.
		if words := strings.Fields(line); len(words) > 5 && words[0] == mount {
			return strings.HasPrefix(words[5]+",", "ro,"), nil
		}
	}
	return false, nil
}

// field is the word behind a key at the beginning of a line.
func field(text, key string) string {
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, key); found {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}
