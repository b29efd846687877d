// Package bus is the control half of the bus: it makes the lanes, decides who
// may use each of them and when, and removes them.
//
// One table has a row for every lane: its sender, its receiver, its size and
// the frames that belong in it. The permissions of the queues (IPC_SET) and the
// variables of the workers' seccomp filters (Rights) are both read from it, so
// that they cannot disagree:
//
//	lane      sender             receiver           frames
//	urgent    worker             worker             64, 256
//	routine   worker             worker             64
//	ack       receiver of the    sender of the      64
//	          alerts             alerts
//	tap       worker             supervisor         64
//
// A lane is created closed (mode 0600), opened when its sender is ready (group
// of the sender, mode 0624: the sender may send and not receive, the receiver
// as one of the others may receive and not send), and revoked before its sender
// is stopped (mode 0604). It lives across restarts of either end. The caller,
// who is its creator, is the only one that can change or remove it.
//
// A shared queue has one urgent and one routine lane for all, which anybody in the
// IPC namespace may use, and an ack lane for each sender of alerts (share).
//
// The package must run in the IPC namespace that the workers share, as a user
// who is none of theirs; the limits of that namespace are set from here.
package bus
