// The victim is the worker of these tests: it says "up" on descriptor 3 and makes
// the queue call that each record there asks for, with numbers as they stand. It
// answers "ok N", with what the call returned, or the name of an errno.
//
//	send ID TYPE SIZE FLAGS | frame ID TYPE HEX | receive ID TYPE SIZE FLAGS
//	get KEY FLAGS | control ID COMMAND
//	flood ID TYPE SIZE, until the lane is full | storm ID TYPE SIZE, until it is closed
package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

func init() { runtime.LockOSThread() }

func main() {
	say("up")
	buf := make([]byte, 2048)
	for {
		n, err := unix.Read(3, buf)
		switch {
		case err == unix.EINTR:
		case err != nil || n == 0:
			os.Exit(0)
		default:
			r, err := do(string(buf[:n]))
			if errno, ok := err.(syscall.Errno); ok {
				say(unix.ErrnoName(errno))
			} else if err != nil {
				say(err.Error())
			} else {
				say(fmt.Sprint("ok ", r))
			}
		}
	}
}

func say(text string) { _, _ = unix.Write(3, []byte(text)) }

func do(order string) (int, error) {
	verb, rest, _ := strings.Cut(order, " ")
	if verb == "frame" {
		var id int32
		var mtype int64
		var text string
		if _, err := fmt.Sscan(rest, &id, &mtype, &text); err != nil {
			return 0, err
		}
		frame, err := hex.DecodeString(text)
		if err != nil {
			return 0, err
		}
		return 0, sys.MsgSend(id, mtype, frame, sys.MsgNoWait)
	}
	var n [4]int64
	_, _ = fmt.Sscan(rest, &n[0], &n[1], &n[2], &n[3]) // fewer for some
	id := int32(n[0])
	switch verb {
	case "send":
		return 0, sys.MsgSend(id, n[1], make([]byte, n[2]), int(n[3]))
	case "receive":
		got, _, err := sys.MsgReceive(id, make([]byte, n[2]), n[1], int(n[3]))
		return got, err
	case "get":
		made, err := sys.MsgGet(id, int(n[1]))
		return int(made), err
	case "control":
		return 0, control(id, int(n[1]))
	case "storm":
		for {
			if err := sys.MsgSend(id, n[1], make([]byte, n[2]), sys.MsgNoWait); err != nil && err != syscall.EAGAIN {
				return 0, err
			}
		}
	case "flood":
		for count := 0; ; count++ {
			if err := sys.MsgSend(id, n[1], make([]byte, n[2]), sys.MsgNoWait); err != nil {
				return count, nil
			}
		}
	}
	return 0, fmt.Errorf("unknown order %q", order)
}

func control(id int32, command int) error {
	switch command {
	case sys.MsgRemove:
		return sys.MsgRemoveID(id)
	case sys.MsgChange:
		return sys.MsgSet(id, 40001, 40001, 0o666, 64)
	case sys.MsgInfoIPC, sys.MsgInfoMSG:
		_, err := sys.MsgLimits(command)
		return err
	}
	_, err := sys.MsgStat(id, command)
	return err
}
