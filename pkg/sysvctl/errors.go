package sysvctl

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// What callers branch on. Each is matched by errors.Is on an *Error.
var (
	ErrFull        = errors.New("queue is full")                        // EAGAIN
	ErrNoMessage   = errors.New("no message of that type")              // ENOMSG
	ErrRemoved     = errors.New("queue was removed")                    // EIDRM, or EINVAL on an id
	ErrTooBig      = errors.New("message is too big")                   // E2BIG, or EINVAL above msgmax
	ErrRevoked     = errors.New("queue is closed to us")                // EACCES
	ErrForeign     = errors.New("queue belongs to another")             // found by a check, no errno
	ErrExists      = errors.New("queue exists")                         // EEXIST
	ErrNotExist    = errors.New("no such queue")                        // ENOENT
	ErrLimit       = errors.New("limit of the namespace")               // ENOSPC, EPERM above msgmnb
	ErrNotPositive = errors.New("message type is below 1 or too large") // EINVAL
)

// Error is every error of this package. Kind is one of the sentinels or nil;
// Err is the errno, the error of the context, or nil.
type Error struct {
	Op   string // the system call, or the check
	ID   ID     // -1 when there is none yet
	Key  Key
	Kind error
	Err  error
}

func (e *Error) Error() string {
	s := e.Op
	switch {
	case e.ID >= 0:
		s += fmt.Sprintf(" queue %d", e.ID)
	case e.Key != Private:
		s += fmt.Sprintf(" key %#x", uint32(e.Key))
	}
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			s += ": " + err.Error()
		}
	}
	return s
}

// Unwrap returns the errno or the error of the context.
func (e *Error) Unwrap() error { return e.Err }

// Is matches the sentinel, and os.ErrPermission for ErrForeign.
func (e *Error) Is(target error) bool {
	return target != nil && target == e.Kind || e.Kind == ErrForeign && target == os.ErrPermission
}

// kindOf tells what an errno means in a call on a queue id that was once good.
func kindOf(errno error) error {
	switch errno {
	case syscall.EAGAIN:
		return ErrFull
	case syscall.ENOMSG:
		return ErrNoMessage
	case syscall.EIDRM, syscall.EINVAL:
		return ErrRemoved
	case syscall.E2BIG:
		return ErrTooBig
	case syscall.EACCES:
		return ErrRevoked
	case syscall.EEXIST:
		return ErrExists
	case syscall.ENOENT:
		return ErrNotExist
	case syscall.ENOSPC:
		return ErrLimit
	}
	return nil
}

func (q *Queue) fail(op string, errno error) error {
	return &Error{Op: op, ID: q.id, Key: q.key, Kind: kindOf(errno), Err: errno}
}
