package device

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Header is the first line of a day file.
const Header = "time,sensor,value,unit,seq\n"

// SegmentName is the name of the file for that day, in UTC.
func SegmentName(day time.Time) string { return day.UTC().Format("2006-01-02") + ".csv" }

// Segment opens the day file of a directory so that its holder can append and do
// nothing else (O_WRONLY|O_APPEND); the caller owns it. The directory is made, with
// mode 0750, when it is missing, and the file, with mode 0640 and Header, too.
//
// A writer that was killed, or a power cut, can leave a last line without its
// newline, with zeros instead, or cut short. Nobody may take it for a reading, and
// nobody may continue it: the file is cut after its last newline, and cut says how
// many bytes that took away. So nobody else may have the file open for writing now.
//
// The directory and the file must belong to root, to the effective user or to one
// of alsoOwner and be writable by nobody else, and the file must have one name only:
// otherwise somebody could make the parent cut and grant a file of their choice.
func Segment(dir string, day time.Time, alsoOwner ...uint32) (file *os.File, cut int64, err error) {
	owners := append([]uint32{0, uint32(os.Geteuid())}, alsoOwner...)
	fail := func(err error) (*os.File, int64, error) {
		return nil, 0, fmt.Errorf("directory %s: %w", dir, err)
	}
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, os.ErrExist) {
		return fail(err)
	}
	d, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return fail(errors.New("is not a directory, or a symbolic link to one: name the directory itself"))
	}
	if err != nil {
		return fail(os.NewSyscallError("open", err))
	}
	defer unix.Close(d)
	if err := judgeOwner(d, owners, unix.S_IFDIR); err != nil {
		return fail(err)
	}
	name := SegmentName(day)
	fd, err := unix.Openat(d, name, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0o640)
	if err != nil {
		return fail(fmt.Errorf("%s: %w", name, os.NewSyscallError("openat", err)))
	}
	whole := os.NewFile(uintptr(fd), filepath.Join(dir, name))
	defer whole.Close()
	if err := judgeOwner(fd, owners, unix.S_IFREG); err != nil {
		return fail(fmt.Errorf("%s: %w", name, err))
	}
	cut, made, err := repair(whole)
	if err != nil {
		return fail(fmt.Errorf("%s: %w", name, err))
	}
	if made {
		if err := unix.Fsync(d); err != nil { // the file's name, not only its bytes
			return fail(os.NewSyscallError("fsync", err))
		}
	}
	// The repaired file itself, whatever has its name by now.
	appender, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
	if err != nil {
		return fail(fmt.Errorf("%s: %w", name, os.NewSyscallError("open", err)))
	}
	return os.NewFile(uintptr(appender), whole.Name()), cut, nil
}

func judgeOwner(fd int, owners []uint32, kind uint32) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	switch {
	case st.Mode&unix.S_IFMT != kind:
		return errors.New("is not a file")
	case !slices.Contains(owners, st.Uid):
		return fmt.Errorf("belongs to user %d, who could choose what the supervisor writes to", st.Uid)
	case st.Mode&0o022 != 0:
		return fmt.Errorf("can be written by others (mode %04o), who could choose what the supervisor writes to: chmod go-w", st.Mode&0o7777)
	case kind == unix.S_IFREG && st.Nlink != 1:
		return fmt.Errorf("has %d names, so it may be another file as well", st.Nlink)
	}
	return nil
}

// repair leaves f as a header and whole lines, and on the disk when it changed.
func repair(f *os.File) (cut int64, made bool, err error) {
	st, err := f.Stat()
	if err != nil {
		return 0, false, err
	}
	size := st.Size()
	end, err := lastLine(f, size)
	if err != nil {
		return 0, false, err
	}
	if !beginsDay(f, size, end) {
		return 0, false, fmt.Errorf("does not begin with the line %q: it is no day file; move it away", Header[:len(Header)-1])
	}
	if end == size && size > 0 {
		return 0, false, nil
	}
	if err := f.Truncate(end); err != nil {
		return 0, false, err
	}
	if end == 0 {
		if _, err := f.WriteAt([]byte(Header), 0); err != nil {
			return 0, false, err
		}
	}
	return size - end, size == 0, f.Sync()
}

// beginsDay says whether the file is ours to repair: it begins with the header, or
// it holds no whole line and is a torn header, or zeros in its place.
func beginsDay(f *os.File, size, end int64) bool {
	head := make([]byte, len(Header))
	n, _ := f.ReadAt(head, 0)
	head = head[:n]
	if end > 0 {
		return string(head) == Header
	}
	return size < int64(len(Header)) && bytes.HasPrefix([]byte(Header), head) || len(bytes.Trim(head, "\x00")) == 0
}

// lastLine returns the offset after the last newline, 0 when there is none.
func lastLine(f *os.File, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for end := size; end > 0; {
		n := min(end, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], end-n); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return end - n + int64(i) + 1, nil
		}
		end -= n
	}
	return 0, nil
}
