package queuemodel

// Rules are the ways in which a model departs from Linux. A differential test
// is worth something only if it finds each of them, so they are kept here to be
// switched on by tests. Several are real: another kernel's bug, or a common
// misreading of msgop(2).
type Rules struct {
	BoundExcluded   bool // a negative type does not take a message of exactly that type (gVisor 13516)
	OldestBelow     bool // a negative type takes the oldest message that is low enough, not the lowest type
	RoomForWaiting  bool // a full queue lets in what a receiver waits for
	EmptyNeedsRoom  bool // a message without bytes needs a byte of room
	SendersSleepOn  bool // more room by IPC_SET wakes no sender
	ReceiversSleep  bool // IPC_SET wakes no receiver
	AnyClassGrants  bool // a right of any class that matches is enough
	CreatorForgot   bool // only the owner may IPC_SET and IPC_RMID, not the creator
	CopyTakes       bool // MSG_COPY removes the message
	TooBigIsDropped bool // a message that is too long for the buffer is lost
	ProcessReceived bool // msg_lrpid is always a process, never a thread
	RemoveIsSilent  bool // those who wait get EINVAL when the queue goes
}

// Linux is what Linux does.
var Linux = Rules{}
