package main

import (
	"os"
	"syscall"
)

// keepOwner gives a file the owner of another, as far as the user may.
func keepOwner(f *os.File, like os.FileInfo) error {
	st, known := like.Sys().(*syscall.Stat_t)
	if !known || int(st.Uid) == os.Geteuid() && int(st.Gid) == os.Getegid() {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}
