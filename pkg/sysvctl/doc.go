// Package sysvctl is System V message queues for Go on Linux: the four system
// calls, and the verbs with which the owner of a queue controls who may use it.
//
// The endpoint side sends and receives: TrySend and TryReceive never wait and
// allocate nothing; Send and Receive wait until a context ends. A Selector says
// which message is wanted. UpTo takes the message of the lowest type, and the
// oldest of that type; it does not take the oldest message whose type is small
// enough. A Receiver is for those who receive many: it is bound to one thread
// and one context, and allocates nothing a message. A Doorbell makes a queue fit
// pollers. Serve and Call are request and reply over one queue.
//
// The control side permits, revokes, pauses, throttles, drains, snapshots,
// restores and removes. Revoke also wakes the senders that sleep on a full
// queue, which clearing the write bit alone leaves asleep. List, ReadLimits and
// ReadUsage tell about the whole IPC namespace.
//
// Every error is an *Error and matches one of the sentinels (ErrFull,
// ErrRevoked, ...), the errno, and where there is one the error of package os.
//
// Limits. A queue that is full by bytes refuses messages of every type, also
// while a receiver is waiting for one: what must always get through needs a
// queue of its own. A receiver that is killed while it waits loses the message
// just handed to it. There are no credentials on a message. The creator of a
// queue keeps control of it for good, so a queue with a foreign creator must
// not be trusted, whatever its mode says: FromID and Open check that.
//
// Those who want file descriptors, select(2) or network transparency should use
// sockets instead.
//
// Sources: msgget(2), msgop(2), msgctl(2), sysvipc(7), and the kernel's ipc/msg.c.
package sysvctl
