package main

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// try makes the call named by word.
func try(word string, path *byte) syscall.Errno {
	empty := new(byte)
	argv := [2]*byte{path}
	args := uintptr(unsafe.Pointer(&argv[0]))
	var e syscall.Errno
	switch word {
	case "execve":
		_, _, e = unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(path)), args, args+unsafe.Sizeof(path))
	case "execveat-1000":
		_, _, e = unix.RawSyscall6(unix.SYS_EXECVEAT, 1000, uintptr(unsafe.Pointer(empty)), args, args+unsafe.Sizeof(path), unix.AT_EMPTY_PATH, 0)
	case "execveat-3":
		_, _, e = unix.RawSyscall6(unix.SYS_EXECVEAT, 3, uintptr(unsafe.Pointer(empty)), args, args+unsafe.Sizeof(path), unix.AT_EMPTY_PATH, 0)
	case "fork-exec":
		e = children(word)
	case "getppid":
		_, _, e = unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0)
	case "threads":
		for range 8 {
			go func() { runtime.LockOSThread(); select {} }()
		}
	case "spin":
		go spin()
	case "stdout":
		_, err := os.Stdout.WriteString("hello\n")
		e = errno(err)
	case "securebits":
		e = value(unix.PR_GET_SECUREBITS)
	case "mdwe":
		e = value(unix.PR_GET_MDWE)
	case "death-signal":
		var signal int32
		_, _, e = unix.RawSyscall(unix.SYS_PRCTL, unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&signal)), 0)
		if e == 0 {
			e = syscall.Errno(signal)
		}
	case "pgid-own":
		_, _, e = unix.RawSyscall(unix.SYS_GETPGID, uintptr(os.Getpid()), 0, 0)
	case "pgid-other":
		_, _, e = unix.RawSyscall(unix.SYS_GETPGID, 1, 0, 0)
	case "fork":
		forkAsker()
	case "echo-signals":
		got := make(chan os.Signal, 8)
		signal.Notify(got, unix.SIGUSR1)
		go func() {
			for range got {
				say("signal")
			}
		}()
	case "take-signals":
		signal.Notify(make(chan os.Signal, 1), unix.SIGUSR1)
	case "dup-20":
		e = errno(unix.Dup3(3, 20, 0))
	case "dup-1000":
		e = errno(unix.Dup3(3, 1000, 0))
	case "open-root":
		fd, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if e = errno(err); err == nil {
			unix.Close(fd)
		}
	case "open-usr":
		fd, err := unix.Open("/usr", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if e = errno(err); err == nil {
			unix.Close(fd)
		}
	case "hold-usr":
		_, err := unix.Open("/usr", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		e = errno(err)
	case "copy-stdout":
		_, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 10)
		e = errno(err)
	case "exit":
		os.Exit(7)
	case "map-wx":
		_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
		e = errno(err)
	case "eventfd":
		_, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		e = errno(err)
	case "pipe":
		var p [2]int
		e = errno(unix.Pipe2(p[:], unix.O_CLOEXEC))
	}
	runtime.KeepAlive(empty)
	runtime.KeepAlive(&argv)
	return e
}

// value is the answer of a prctl that has no argument, or its errno.
func value(option uintptr) syscall.Errno {
	v, _, e := unix.RawSyscall6(unix.SYS_PRCTL, option, 0, 0, 0, 0, 0)
	if e != 0 {
		return e
	}
	return syscall.Errno(v)
}

// forkAsker makes another process, which asks for what is not allowed and
// sleeps for ever when it is answered.
func forkAsker() {
	second := unix.Timespec{Sec: 1}
	pid, _, _ := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if pid != 0 {
		return
	}
	unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0)
	for {
		unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&second)), 0, 0)
	}
}
