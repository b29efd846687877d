package seccomp

import (
	"slices"
	"sync"
)

// maxSeen bounds what a Recorder keeps: kinds of calls, not calls.
const maxSeen = 4096

// Seen is a kind of call that a program made: calls of one number, in one phase,
// that differ in nothing a profile would tell apart. Args are those of the first.
type Seen struct {
	Phase Phase     `json:"phase"`
	Nr    uint32    `json:"nr"`
	Args  [6]uint64 `json:"args"`
	Count int       `json:"count"`
}

// Recorder counts the calls of a program, argument values included. It is safe
// for concurrent use.
type Recorder struct {
	arch Arch
	mu   sync.Mutex
	seen map[Seen]*Seen // by kind: Count is 0, and only the arguments that matter are there
	lost int
}

// NewRecorder makes one for the calls of an architecture.
func NewRecorder(a Arch) *Recorder { return &Recorder{arch: a, seen: make(map[Seen]*Seen)} }

// Record counts one call.
func (r *Recorder) Record(ph Phase, nr uint32, args [6]uint64) {
	kind := Seen{Phase: ph, Nr: nr}
	for _, m := range tellingArgs(CallName(r.arch, nr), args) {
		kind.Args[m.arg] = args[m.arg] & m.mask
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.seen[kind]
	switch {
	case one != nil:
		one.Count++
	case len(r.seen) == maxSeen:
		r.lost++
	default:
		r.seen[kind] = &Seen{ph, nr, args, 1}
	}
}

// All is what was recorded, ordered by phase and call number, and how many calls
// were of kinds beyond what a Recorder keeps.
func (r *Recorder) All() (seen []Seen, lost int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.seen {
		seen = append(seen, *s)
	}
	slices.SortFunc(seen, func(x, y Seen) int {
		if x.Phase != y.Phase {
			return int(x.Phase) - int(y.Phase)
		}
		if x.Nr != y.Nr {
			return int(int64(x.Nr) - int64(y.Nr))
		}
		return slices.Compare(x.Args[:], y.Args[:])
	})
	return seen, r.lost
}

// tellingArg is an argument whose value decides how much a call can do, under a
// mask.
type tellingArg struct {
	arg  int
	mask uint64
}

const (
	low32    = 0xffffffff
	protExec = 0x4
	fSetFL   = 4
	prSetVMA = 0x53564d41
	// What O_ACCMODE, O_CREAT, O_TRUNC are on every architecture here.
	openWrites = 0x3 | 0x40 | 0x200
)

// tellingArgs are the arguments of a call that a proposal pins. All other calls
// are proposed as a whole: a verdict that does not depend on arguments comes from
// the kernel's bitmap.
func tellingArgs(call string, args [6]uint64) []tellingArg {
	switch call {
	case "mmap", "mmap2", "mprotect", "pkey_mprotect":
		return []tellingArg{{2, protExec}}
	case "fcntl", "fcntl64":
		if uint32(args[1]) == fSetFL {
			return []tellingArg{{1, low32}, {2, ^uint64(0) &^ (0x3 | 0x800 | 0x8000 | 0x20000)}}
		}
		return []tellingArg{{1, low32}}
	case "prctl":
		if uint32(args[0]) == prSetVMA || uint32(args[0]) == 4 { // PR_SET_DUMPABLE
			return []tellingArg{{0, low32}, {1, ^uint64(0)}}
		}
		return []tellingArg{{0, low32}}
	case "ioctl":
		return []tellingArg{{1, low32}}
	case "clone":
		return []tellingArg{{0, ^uint64(0)}}
	case "open":
		return []tellingArg{{1, openWrites}}
	case "openat":
		return []tellingArg{{2, openWrites}}
	case "newfstatat", "fstatat64", "statx":
		return []tellingArg{{flagsArg(call), atEmptyPath}}
	case "socket", "socketpair":
		return []tellingArg{{0, low32}, {1, 0xf}}
	case "setsockopt":
		return []tellingArg{{1, low32}, {2, low32}}
	case "msgsnd":
		return []tellingArg{{0, low32}, {2, ^uint64(0)}, {3, low32}}
	case "msgrcv":
		return []tellingArg{{0, low32}, {4, low32}}
	case "tgkill", "tkill", "kill", "rt_sigqueueinfo", "msgctl", "msgget", "personality":
		return []tellingArg{{0, low32}}
	}
	return nil
}

// flagsArg is where the flags of a stat call are.
func flagsArg(call string) int {
	if call == "statx" {
		return 2
	}
	return 3
}
