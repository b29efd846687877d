package seccomp

import (
	"fmt"
	"slices"
)

// Phase is how far a worker has come; it decides what becomes of a notice.
type Phase uint8

const (
	Launching Phase = iota // until the one exec was admitted
	Starting               // until HELLO
	Running
)

func (p Phase) String() string {
	switch p {
	case Launching:
		return "launching"
	case Starting:
		return "starting"
	}
	return "running"
}

// Action is what becomes of a call.
type Action uint8

const (
	Allow    Action = iota // by the filter, the parent never hears of it
	Errno                  // refused with an errno, by the filter or the parent
	Continue               // notified, and admitted by the parent
	Breach                 // notified, and the end of the worker
	Kill                   // by the filter: the process dies of SIGSYS
)

func (a Action) String() string {
	return [...]string{"allow", "errno", "continue", "breach", "kill"}[a]
}

// Decision is the verdict on one call and the line that says so. Line is 0
// where no line names the call.
type Decision struct {
	Action  Action
	Errno   uint16
	Profile string // the profile or group whose file has the line
	Line    int
	Rule    string // the line as written

	// Acknowledged: the line says by itself that it undoes a part of the
	// confinement.
	Acknowledged bool
}

// FilterVerdict is what the compiled filter alone returns to the kernel, as a
// SECCOMP_RET value with its data.
type FilterVerdict uint32

// Return values of a filter, include/uapi/linux/seccomp.h.
const (
	FilterAllow  FilterVerdict = 0x7fff0000
	FilterNotify FilterVerdict = 0x7fc00000
	FilterKill   FilterVerdict = 0x80000000 // the process, never a thread
	filterErrno  FilterVerdict = 0x00050000
	filterAction               = 0xffff0000
)

// FilterErrno is the verdict that refuses a call with that errno.
func FilterErrno(e uint16) FilterVerdict { return filterErrno | FilterVerdict(e) }

// Errno is the errno of the verdict, if it is one.
func (v FilterVerdict) Errno() (uint16, bool) {
	return uint16(v), v&filterAction == filterErrno
}

func (v FilterVerdict) String() string {
	switch v {
	case FilterAllow:
		return "allow"
	case FilterNotify:
		return "notify"
	case FilterKill:
		return "kill"
	}
	if e, ok := v.Errno(); ok {
		return "errno " + errnoName(e)
	}
	return fmt.Sprintf("verdict %#x", uint32(v))
}

// Exec descriptors: the launch puts the program at this number and admits
// execveat(execFD, "", AT_EMPTY_PATH) once.
const execFD = 1000

// Filter is what the BPF program must return for a call of the native ABI.
func (b *Bound) Filter(nr uint32, args [6]uint64) FilterVerdict {
	verdict, _ := b.verdict(nr, &args)
	return verdict
}

// verdict is Filter with the rule that decided, if one did.
func (b *Bound) verdict(nr uint32, args *[6]uint64) (FilterVerdict, *boundRule) {
	// -1 is not a call of x32: a tracer leaves it behind for one it skipped.
	if b.Arch == AMD64 && nr >= x32Bit && nr != ^uint32(0) || b.never[nr] {
		return FilterKill, nil
	}
	action, r := decide(b.filter[nr], args)
	switch {
	case action == Allow:
		return FilterAllow, r
	case action == Errno && b.answersAlways(nr):
		return FilterErrno(r.errno), r
	}
	return FilterNotify, nil
}

// answersAlways reports whether the filter itself gives the errno of a call that
// is refused. Where some of its arguments are admitted it does not, see Rules,
// and where the start block has the first word it cannot: it knows no phases.
func (b *Bound) answersAlways(nr uint32) bool {
	return !conditional(b.filter[nr]) && len(b.start[nr]) == 0
}

// conditional reports whether the rules for a call admit anything. What they
// refuse beside it is a notice, see Rules.
func conditional(rules []*boundRule) bool {
	return slices.ContainsFunc(rules, func(r *boundRule) bool { return len(r.admits) > 0 })
}

// decide asks the rules for one call: those that admit come before those that
// refuse, whatever their order in the text. Breach means that none applies.
func decide(rules []*boundRule, args *[6]uint64) (Action, *boundRule) {
	for _, r := range rules {
		for _, c := range r.admits {
			if c.holds(args) {
				return Allow, r
			}
		}
	}
	for _, r := range rules {
		if r.refuse {
			return Errno, r
		}
	}
	return Breach, nil
}

// Decide is what becomes of a call in a phase: the filter's verdict, and where
// that is a notice, the parent's answer to it. It depends on nothing but its
// arguments, so there is nothing in the worker's memory to race with.
func (b *Bound) Decide(ph Phase, nr uint32, args [6]uint64) Decision {
	verdict, r := b.verdict(nr, &args)
	switch {
	case verdict == FilterKill:
		return Decision{Action: Kill}
	case r != nil:
		if _, refused := verdict.Errno(); refused {
			return r.refusal()
		}
		return r.decision(Allow)
	}
	switch ph {
	case Launching:
		execveat := callTable[b.Arch]["execveat"]
		if nr == execveat && uint32(args[0]) == execFD && uint32(args[4]) == atEmptyPath {
			return Decision{Action: Continue, Rule: "the exec of the launch"}
		}
	case Starting:
		switch action, r := decide(b.start[nr], &args); action {
		case Allow:
			return r.decision(Continue)
		case Errno:
			return r.refusal()
		}
	}
	if action, r := decide(b.filter[nr], &args); action == Errno {
		return r.refusal()
	}
	return b.breach(nr)
}

const atEmptyPath = 0x1000

func (r *boundRule) decision(a Action) Decision {
	return Decision{Action: a, Profile: r.profile, Line: r.pos.Line, Rule: r.text, Acknowledged: r.acknowledged}
}

func (r *boundRule) refusal() Decision {
	d := r.decision(Errno)
	d.Errno = r.errno
	return d
}

// breach names the line that comes nearest: one for the call whose condition
// did not hold, else one that admits it in the start block.
func (b *Bound) breach(nr uint32) Decision {
	for _, rules := range [][]*boundRule{b.filter[nr], b.start[nr]} {
		if len(rules) > 0 {
			return rules[0].decision(Breach)
		}
	}
	return Decision{Action: Breach, Profile: b.Profile.Name}
}
