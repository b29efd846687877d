// The victim is the worker of launchtest: it says "up" on descriptor 3 and
// then does what it is told there, a word a time, answering "word=errno".
// A word on its command line is done first, before "up".
package main

import (
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// The death signal belongs to the thread that was executed, which every word is
// done on: the kernel gives none to the threads that are made later.
func init() { runtime.LockOSThread() }

func main() {
	for _, word := range os.Args[1:] {
		do(word)
	}
	say("up")
	var buf [64]byte
	for {
		n, err := unix.Read(3, buf[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			os.Exit(0)
		}
		do(string(buf[:n]))
	}
}

func say(text string) { _, _ = unix.Write(3, []byte(text)) }

func do(word string) {
	path, _ := unix.BytePtrFromString("/bin/true")
	say(word + "=" + strconv.Itoa(int(try(word, path))))
}

func children(word string) syscall.Errno {
	attr := &syscall.ProcAttr{Files: []uintptr{0, 1, 2}}
	_, err := syscall.ForkExec("/bin/true", []string{word}, attr)
	return errno(err)
}

func errno(err error) syscall.Errno {
	e, _ := err.(syscall.Errno)
	return e
}

func spin() {
	for i := 0; ; i++ {
		_ = make([]byte, i%4096)
	}
}
