package stage

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// inodesPerEntry bounds what an entry of ReadOnly may take of the root: a
	// directory or a symbolic link for each part of its path.
	inodesPerEntry = 16
	maxLinks       = 16 // symbolic links in one path
)

// expose lets the new root, which is the working directory, show some paths of
// the old one, which is still /: directories and files by recursive bind mounts,
// read-only, without setuid and devices, and symbolic links on the way, and at
// the end, as what they are.
func expose(paths []string) error {
	// An interpreter's directories are for the worker's user to pass.
	defer unix.Umask(unix.Umask(0o022))
	for _, p := range paths {
		if err := exposeOne(p, 0); err != nil {
			return fmt.Errorf("read_only %s: %w", p, err)
		}
	}
	return nil
}

func exposeOne(p string, links int) error {
	parts := strings.Split(strings.Trim(path.Clean(p), "/"), "/")
	for i := range parts {
		at := strings.Join(parts[:i+1], "/") // in the old root /at, in the new one ./at
		var st unix.Stat_t
		if err := unix.Lstat("/"+at, &st); err != nil {
			return fmt.Errorf("lstat: %w", err)
		}
		last := i == len(parts)-1
		switch kind := st.Mode & unix.S_IFMT; {
		case kind == unix.S_IFLNK:
			return exposeLink(at, strings.Join(parts[i+1:], "/"), links)
		case !last && kind != unix.S_IFDIR:
			return unix.ENOTDIR
		case last:
			return exposeFile(at, kind == unix.S_IFDIR)
		}
		if err := unix.Mkdir(at, 0o755); err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.EROFS) {
			return fmt.Errorf("mkdir: %w", err)
		}
	}
	return nil
}

// exposeLink makes the link anew and goes on where it leads.
func exposeLink(at, rest string, links int) error {
	if links == maxLinks {
		return unix.ELOOP
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlink("/"+at, buf)
	if err != nil {
		return fmt.Errorf("readlink: %w", err)
	}
	target := string(buf[:n])
	if err := unix.Symlink(target, at); err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("symlink: %w", err)
	}
	if !strings.HasPrefix(target, "/") {
		target = path.Join("/", path.Dir(at), target)
	}
	return exposeOne(path.Join(target, rest), links+1)
}

// exposeFile binds one directory or file. One that lies beneath another that
// was bound already is there.
func exposeFile(at string, dir bool) error {
	var old, now unix.Stat_t
	if err := unix.Stat("/"+at, &old); err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	if unix.Stat(at, &now) == nil && now.Dev == old.Dev && now.Ino == old.Ino {
		return nil
	}
	place := func() error { return unix.Mknod(at, unix.S_IFREG|0o644, 0) }
	if dir {
		place = func() error { return unix.Mkdir(at, 0o755) }
	}
	if err := place(); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("place for it: %w", err)
	}
	if err := unix.Mount("/"+at, at, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind mount: %w", err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if err := unix.MountSetattr(unix.AT_FDCWD, at, unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("mount_setattr (since Linux 5.12): %w", err)
	}
	return nil
}

// bindNotify makes the socket of sd_notify(3). Whoever is in this root may send;
// that is the worker. The parent takes the descriptor out of the stage, and the
// exec closes the stage's.
func bindNotify(o *Order) (err error) {
	o.notifySocket, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if err := unix.Bind(o.notifySocket, &unix.SockaddrUnix{Name: Notify}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if err := unix.Chmod(Notify, 0o666); err != nil {
		return fmt.Errorf("chmod: %w", err)
	}
	return nil
}
