package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// leaveInitramfs moves all files to a tmpfs and makes that the root: the kernel lets
// nobody pivot_root(2) away from its own first root, as confined workers do.
func leaveInitramfs() error {
	const to = "/new"
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", to, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount the new root: %w", err)
	}
	err := filepath.WalkDir("/", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == to || path == "/dev" || path == "/root":
			return fs.SkipDir
		case path == "/":
			return nil
		case e.IsDir():
			return os.Mkdir(to+path, 0o755)
		case !e.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(to+path, content, 0o755)
		}
		if err == nil {
			err = os.Remove(path) // the memory is wanted
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("move the files: %w", err)
	}
	if err := os.Chdir(to); err != nil {
		return err
	}
	if err := unix.Mount(to, "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move the new root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	return os.Chdir("/")
}
