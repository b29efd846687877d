package stage

import (
	"encoding/json"
	"fmt"

	"golang.org/x/sys/unix"

	"sallyport/internal/landlock"
)

// Descriptors at the start of the stage. 0, 1, 2 and ChannelFD stay for the
// worker, everything else goes at the exec.
const (
	ChannelFD = 3
	ExeFD     = 4 // moved to ExecFD; the number is then free for the listener
	SelfFD    = 5 // the stage's own binary, which is started by this number
	OrderFD   = 6
	ReportFD  = 7
	ProgramFD = 8 // Order.Program: moved to SecondFD
)

const (
	// ListenerFD is where the parent finds the filter's listener: the lowest
	// free descriptor when the filter is loaded.
	ListenerFD = ExeFD
	// ExecFD is where the executable lies for the exec. It is above every
	// MaxOpenFiles, so that a worker can never have this descriptor again.
	ExecFD = 1000
	// SecondFD is where the program lies that the executable, a launcher, is to
	// execute in its turn. The launcher inherits it.
	SecondFD = 1001
	// NotifyFD is where the parent finds the socket that is bound at Notify.
	NotifyFD = 1002
	// MaxOpenFiles is the most that Order.OpenFiles may be.
	MaxOpenFiles = 256
)

// Notify is the path of the NOTIFY_SOCKET in the worker's root.
const Notify = "/notify"

// Ready is the only byte of a report that went well.
const Ready = 0

// maxOrder bounds an order in bytes: a filter of 4096 instructions in base64
// is 43 KiB, the rest is arguments and environment.
const maxOrder = 256 << 10

// Order is what the parent tells the stage. Sizes are in bytes; a limit of 0
// is not set.
type Order struct {
	Args, Env []string
	UID, GID  uint32
	SharedID  bool // keep the ids: a user namespace with a single one
	Filter    []byte
	OpenFiles uint32
	Tasks     uint32
	Data      uint64
	FileSize  uint64
	Program   bool     // there is a second executable at ProgramFD
	Notify    bool     // a datagram socket is wanted at Notify
	ReadOnly  []string // absolute paths to be seen in the root
	Landlock  int      // version of the interface to be used; 0 for none

	notifySocket int // of bindNotify, until it is moved to NotifyFD
	rules        *landlock.Ruleset
}

// Encode writes the order for the memory file.
func (o *Order) Encode() ([]byte, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	if len(text) > maxOrder {
		return nil, fmt.Errorf("filter, arguments and environment take %d bytes, the most is %d", len(text), maxOrder)
	}
	return text, nil
}

// readOrder reads the whole memory file open at fd.
func readOrder(fd int) (*Order, error) {
	text := make([]byte, maxOrder)
	n := 0
	for n < len(text) {
		m, err := unix.Pread(fd, text[n:], int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("pread: %w", err)
		}
		if m == 0 {
			break
		}
		n += m
	}
	o := new(Order)
	if err := json.Unmarshal(text[:n], o); err != nil {
		return nil, err
	}
	return o, nil
}
