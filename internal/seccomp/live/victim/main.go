// Command victim is run under a filter by the tests of internal/seccomp/live. It
// does what a worker's runtime does in its life, says READY in between, and then
// whatever its argument names.
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	// As the SDK does before HELLO.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		fail("prctl", err)
	}
	signal.Ignore(syscall.SIGPIPE)
	if err := unix.SetNonblock(4, true); err != nil {
		fail("channel", err)
	}
	channel := os.NewFile(4, "channel")
	say("READY")
	word := make([]byte, 8)
	if _, err := channel.Read(word); err != nil { // its start is over from here on
		fail("start", err)
	}
	switch deed := os.Args[1]; deed {
	case "live":
		live(channel)
	case "sleep":
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
			time.Sleep(300 * time.Millisecond)
		}
	case "panic":
		var p *int
		fmt.Println(*p)
	case "deadlock":
		channel.Close()
		select {}
	default:
		misdeed(deed)
	}
	say("DONE")
}

func live(channel *os.File) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	compute()
	threads()
	poll(channel)
	<-time.After(100 * time.Millisecond)
	slept := make(chan error, 1)
	go func() { // a sleep that the kernel continues by restart_syscall after a stop
		ts := unix.NsecToTimespec(int64(time.Second))
		slept <- unix.Nanosleep(&ts, nil)
	}()
	say("IDLE")
	idle := time.NewTimer(3 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	for done := false; !done; {
		select {
		case <-tick.C:
		case <-idle.C:
			done = true
		}
	}
	<-term
	<-slept
	runtime.GC()
}

// compute keeps 20 goroutines busy on two processors, so that they are preempted
// by signals, allocate and are collected.
func compute() {
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			m := map[int][]byte{}
			for n := 0; n < 4000; n++ {
				m[n%97] = make([]byte, 64+n*7%8192)
			}
			x := uint64(i)
			for end := time.Now().Add(30 * time.Millisecond); time.Now().Before(end); {
				for range 1_000_000 {
					x = x*6364136223846793005 + 1
				}
			}
			sink.Store(i, x)
			if i%5 == 0 {
				runtime.GC()
			}
		})
	}
	wg.Wait()
	big := make([]byte, 32<<20)
	big[1<<20] = 1
	runtime.KeepAlive(big)
	big = nil
	runtime.GC()
}

var sink sync.Map

// threads makes new ones, by blocking calls and by locked goroutines that end
// with their thread.
func threads() {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			runtime.LockOSThread() // ends locked: the thread exits
			ts := unix.NsecToTimespec(int64(20 * time.Millisecond))
			_ = unix.Nanosleep(&ts, nil)
		})
	}
	wg.Wait()
}

// poll waits in the network poller, with deadlines, on a socket and on a copy.
func poll(channel *os.File) {
	conn, err := channel.SyscallConn()
	if err != nil {
		fail("channel", err)
	}
	_ = channel.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	buf := make([]byte, 64)
	if _, err := channel.Read(buf); !os.IsTimeout(err) {
		fail("read with a deadline", err)
	}
	err = conn.Write(func(fd uintptr) bool {
		err = unix.Sendmsg(int(fd), []byte("ping"), nil, nil, unix.MSG_NOSIGNAL)
		return err != unix.EAGAIN
	})
	if err != nil {
		fail("sendmsg", err)
	}
	_ = channel.SetReadDeadline(time.Time{})
	var n int
	if rerr := conn.Read(func(fd uintptr) bool {
		n, _, _, _, err = unix.Recvmsg(int(fd), buf, nil, unix.MSG_CMSG_CLOEXEC)
		return err != unix.EAGAIN
	}); rerr != nil || err != nil || string(buf[:n]) != "pong" {
		fail("recvmsg", err)
	}
	copied, err := unix.FcntlInt(4, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		fail("dup", err)
	}
	f := os.NewFile(uintptr(copied), "copy")
	_ = f.Close()
}

// misdeed does what no role admits.
func misdeed(deed string) {
	switch deed {
	case "open":
		_, err := os.Open("/etc/shadow")
		say(fmt.Sprint(err))
	case "exec":
		say(fmt.Sprint(syscall.Exec("/bin/true", []string{"true"}, nil)))
	case "socket":
		_, err := net.Dial("tcp", "127.0.0.1:9")
		say(fmt.Sprint(err))
	case "fork":
		_, err := syscall.ForkExec("/bin/true", []string{"true"}, nil)
		say(fmt.Sprint(err))
	case "kill":
		say(fmt.Sprint(unix.Kill(1, 0)))
	case "wx":
		_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
		say(fmt.Sprint(err))
	case "ptrace":
		say(fmt.Sprint(unix.PtraceSeize(1)))
	case "clone3":
		_, _, e := unix.Syscall(unix.SYS_CLONE3, 0, 0, 0)
		say(fmt.Sprint(e))
	case "namespace":
		say(fmt.Sprint(unix.Unshare(unix.CLONE_NEWUSER)))
	}
}

func say(line string) { os.Stdout.WriteString(line + "\n") }

func fail(what string, err error) {
	say("FAIL " + what + ": " + fmt.Sprint(err))
	os.Exit(3)
}
