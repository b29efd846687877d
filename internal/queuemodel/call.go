package queuemodel

import (
	"fmt"
	"syscall"
)

// Op is what a process asks for.
type Op uint8

// The operations. Kick is an IPC_SET that takes the write bit from group and
// others and raises msg_qbytes, and a second one that restores the size.
// Signal interrupts the Target, if it waits.
const (
	Send Op = iota + 1
	Receive
	Stat
	Set
	Kick
	Remove
	Signal
)

func (o Op) String() string {
	return [...]string{"none", "send", "receive", "stat", "set", "kick", "remove", "signal"}[o]
}

// Flags of Send and Receive, as in linux/ipc.h and linux/msg.h.
const (
	NoWait  = 0x800
	NoError = 0x1000
	Except  = 0x2000
	Copy    = 0x4000
)

// Call is one system call of the process with index Actor. Serial names the
// message of a Send. Sizes are in bytes.
type Call struct {
	Op             Op
	Actor, Target  int
	Type           int64
	Size           int
	Flags          int
	Serial         int
	UID, GID, Mode uint32
	QBytes         uint64
}

func (c Call) String() string {
	switch c.Op {
	case Send:
		return fmt.Sprintf("%d: send #%d type %d size %d flags %#x", c.Actor, c.Serial, c.Type, c.Size, c.Flags)
	case Receive:
		return fmt.Sprintf("%d: receive type %d size %d flags %#x", c.Actor, c.Type, c.Size, c.Flags)
	case Set:
		return fmt.Sprintf("%d: set uid %d gid %d mode %04o qbytes %d", c.Actor, c.UID, c.GID, c.Mode, c.QBytes)
	case Signal:
		return fmt.Sprintf("signal to %d", c.Target)
	}
	return fmt.Sprintf("%d: %v", c.Actor, c.Op)
}

// Answer is how a call ended. The other fields are of a Receive: Size is the
// number of bytes that came, Serial the message they are of.
type Answer struct {
	Errno  syscall.Errno
	Type   int64
	Size   int
	Serial int
}

func (a Answer) String() string {
	switch {
	case a.Errno != 0:
		return a.Errno.Error()
	case a.Type != 0:
		return fmt.Sprintf("#%d of type %d, %d bytes", a.Serial, a.Type, a.Size)
	}
	return "ok"
}

// Person is a process as the kernel judges it.
type Person struct {
	UID, GID uint32
	Groups   []uint32
	PID, TID int // TID is of the thread that makes its calls
	// Capabilities in the user namespace that owns the IPC namespace.
	IPCOwner, SysAdmin, SysResource bool
}

func (p *Person) in(gid uint32) bool {
	for _, g := range p.Groups {
		if g == gid {
			return true
		}
	}
	return p.GID == gid
}

// Message is one message in the queue.
type Message struct {
	Type   int64
	Size   int
	Serial int
}

// Status is what IPC_STAT tells, without times.
type Status struct {
	Gone                       bool // IPC_STAT fails with EINVAL
	UID, GID, CUID, CGID, Mode uint32
	Bytes, Messages, QBytes    uint64
	LastSender, LastReceiver   int
}
