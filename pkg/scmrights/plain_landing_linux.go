package scmrights

import (
	"fmt"

	"golang.org/x/sys/unix"

	"sallyport/internal/fd"
	"sallyport/internal/sys"
)

// landing is a message whose descriptors are owned and that nobody looked at.
type landing struct {
	sys.ScmMessage
	control sys.ScmControl
	parse   error
	rights  []*fd.FD
	pidfds  []*fd.FD
}

// collect owns every descriptor of every message.
func collect(ms []sys.ScmMessage) []landing {
	all := make([]landing, len(ms))
	for i := range ms {
		l := &all[i]
		l.ScmMessage = ms[i]
		l.control, l.parse = sys.ScmParse(ms[i].Control)
		rights := len(l.control.Rights) - l.control.Pidfds
		for j, number := range l.control.Rights {
			if j < rights {
				l.rights = append(l.rights, fd.Own(number))
			} else {
				l.pidfds = append(l.pidfds, fd.Own(number))
			}
		}
	}
	return all
}

// nothing is what the end looks like. On a stream the kernel puts credentials of
// nobody beside it (unix_stream_read_generic in net/unix/af_unix.c).
func (l *landing) nothing(stream bool) bool {
	return l.N == 0 && (stream || len(l.Control) == 0 && l.Flags&unix.MSG_CTRUNC == 0)
}

func (l *landing) drop() {
	_ = fd.CloseAll(l.rights)
	_ = fd.CloseAll(l.pidfds)
}

// judge decides what the receiver may see of what it owns.
func (l *landing) judge(r Room) Delivery {
	size := r.size()
	d := Delivery{N: min(l.N, size), From: sys.ScmAddressName(l.Name)}
	if c := l.control.Creds; c != nil {
		d.Creds = &Credentials{PID: int(c.Pid), UID: c.Uid, GID: c.Gid}
	}
	cut := &Truncation{
		Control: l.Flags&unix.MSG_CTRUNC != 0 || len(l.rights) > r.Files || len(l.control.Denied) != 0,
		Closed:  len(l.rights),
		Room:    size,
	}
	if l.Flags&unix.MSG_TRUNC != 0 {
		cut.Length = l.N
	}
	var refusal error
	switch {
	case cut.Control || cut.Length != 0:
		refusal = cut
		for _, denied := range l.control.Denied {
			refusal = fmt.Errorf("%w: %w", refusal, denied)
		}
	case l.parse != nil:
		refusal = l.parse
	}
	if refusal != nil {
		l.drop()
		d.Err = &Error{Op: "receive", Err: refusal}
		return d
	}
	for _, f := range l.rights {
		d.Files = append(d.Files, f.File("received"))
	}
	for _, f := range l.pidfds {
		d.Pidfd = f.File("pidfd")
	}
	if err := l.control.NoPidfd; err != nil {
		// What was sent came whole all the same.
		d.Err = &Error{Op: "receive", Err: fmt.Errorf("no pidfd of the sender: %w", answer("recvmsg(SCM_PIDFD)", err))}
	}
	return d
}
