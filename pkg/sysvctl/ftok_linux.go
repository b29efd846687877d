package sysvctl

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// Ftok makes the key of a file that exists and a project number, 1 to 255, as
// ftok(3) of the C libraries does: the project, 8 bits of the device and 16
// bits of the inode. It is here for programs that meet others by such a key.
//
// Keys made so collide: 16 bits of an inode are all that tells two files of one
// file system apart, so that among 300 two are as likely as not to share a key.
// Whoever reaches a queue through one must expect a stranger's: Open checks
// the creator, Create is exclusive, and Collisions says which files clash.
func Ftok(path string, project byte) (Key, error) {
	key, _, err := ftok(path, project)
	return key, err
}

type inode struct{ dev, ino uint64 }

func ftok(path string, project byte) (Key, inode, error) {
	if project == 0 {
		return Private, inode{}, &Error{Op: "ftok: project 0 is not defined", ID: -1, Err: syscall.EINVAL}
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Private, inode{}, &Error{Op: "ftok", ID: -1, Err: &fs.PathError{Op: "stat", Path: path, Err: err}}
	}
	file := inode{uint64(st.Dev), uint64(st.Ino)}
	return Key(int32(uint32(project)<<24 | uint32(file.dev&0xff)<<16 | uint32(file.ino&0xffff))), file, nil
}

// Collisions gives those of the files that share their key with another of
// them, by key. Two names of one file are no collision.
func Collisions(project byte, paths ...string) (map[Key][]string, error) {
	files, names := map[Key]map[inode]bool{}, map[Key][]string{}
	for _, path := range paths {
		key, file, err := ftok(path, project)
		if err != nil {
			return nil, err
		}
		if files[key] == nil {
			files[key] = map[inode]bool{}
		}
		files[key][file] = true
		names[key] = append(names[key], path)
	}
	for key, different := range files {
		if len(different) < 2 {
			delete(names, key)
		}
	}
	return names, nil
}
