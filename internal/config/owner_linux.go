package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// owners are the user ids that may own what decides about a privileged process.
type owners []uint32

func allowed(also []uint32) owners {
	return append(owners{0, uint32(os.Geteuid())}, also...)
}

// judge says what is wrong with the owner and the mode of something opened, ""
// when nothing is. path is for the advice only.
func (o owners) judge(what, path string, st *unix.Stat_t) (wrong, fix string) {
	if !slices.Contains(o, st.Uid) {
		return fmt.Sprintf("%s belongs to user %d", what, st.Uid), fmt.Sprintf("chown root %q", path)
	}
	if st.Mode&0o022 != 0 {
		return fmt.Sprintf("%s can be written by others (mode %04o)", what, st.Mode&0o7777), fmt.Sprintf("chmod go-w %q", path)
	}
	return "", ""
}

// whyOwner is the threat behind every refusal of judge.
const whyOwner = "whoever can write it decides what the privileged supervisor does; it must belong to root or to the user that starts it"

// openIn opens the directory of path, and the last part of path beneath it: what
// is judged and what is read are then the same objects, whatever is renamed
// meanwhile. The directory itself may be reached by symbolic links; its last part
// is not followed. The caller owns both descriptors.
//
// A directory that others can write is refused with its sticky bit too: it keeps
// others from replacing a file, and not from putting one there first.
func openIn(path string, flags int) (dir, file int, err error) {
	dir, err = unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, -1, &os.PathError{Op: "open", Path: filepath.Dir(path), Err: err}
	}
	// O_NONBLOCK: the open of a FIFO would wait for its writer.
	file, err = unix.Openat(dir, filepath.Base(path), flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		_ = unix.Close(dir)
		return -1, -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return dir, file, nil
}

// judgeDir is judge for the directory that holds path.
func (o owners) judgeDir(dir int, path string) (wrong, fix string, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(dir, &st); err != nil {
		return "", "", os.NewSyscallError("fstat", err)
	}
	wrong, fix = o.judge(fmt.Sprintf("its directory %q", filepath.Dir(path)), filepath.Dir(path), &st)
	return wrong, fix, nil
}
