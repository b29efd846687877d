package worker

import (
	"errors"
	"strconv"
)

var (
	// ErrLost is what reading an attribute gives after its device went away,
	// until the supervisor has opened it again and granted it anew.
	ErrLost = errors.New("device is lost and not granted again yet")
	// ErrNotGranted is given for a name that the configuration does not grant
	// to this worker.
	ErrNotGranted = errors.New("not granted: name it in this worker's block of the configuration")
	// ErrUndeclared is given for a reading or an alert under a name that is no
	// sensor of this worker.
	ErrUndeclared = errors.New("not a sensor of this worker: declare it as one of its devices")
	// ErrParentGone means that the channel ended: nobody is left to work for.
	ErrParentGone = errors.New("the supervisor is gone")
)

// Error says which step failed on which name. Err is one of the errors above
// or what the kernel said.
type Error struct {
	Op   string // "read", "send", "grant", "settings", ...
	Name string // of the sensor, grant or setting; may be empty
	Err  error
}

func (e *Error) Error() string {
	if e.Name == "" {
		return e.Op + ": " + e.Err.Error()
	}
	return e.Op + " " + strconv.Quote(e.Name) + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

func fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Name: name, Err: err}
}
