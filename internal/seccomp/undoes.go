package seccomp

import (
	"fmt"
	"slices"
)

// undoing is a call by which a worker gets back a part of what the launch took
// from it, unless an argument is pinned to a harmless value.
type undoing struct {
	call string
	arg  int                     // that must be pinned, -1: no value makes it harmless
	mask uint64                  // of it
	bad  func(value uint64) bool // of the values that it may be pinned to; nil: none is
	late bool                    // harmless while the start lasts
	why  string
}

func among(values ...uint64) func(uint64) bool {
	return func(v uint64) bool { return slices.Contains(values, v) }
}

func anyOf(bits uint64) func(uint64) bool {
	return func(v uint64) bool { return v&bits != 0 }
}

// undoings beside Never and beside clone, which Parse itself looks at. Numbers
// are those of include/uapi/linux, the same on every architecture here.
var undoings = []undoing{
	{call: "clone3", arg: -1, why: "its flags are in memory, where no filter sees them: it makes processes and namespaces"},
	{call: "fork", arg: -1, why: "a second process is not proved, and outlives the worker's end for a moment"},
	{call: "vfork", arg: -1, why: "a second process is not proved, and outlives the worker's end for a moment"},
	{call: "pidfd_getfd", arg: -1, why: "it takes descriptors out of other processes"},
	{call: "open_by_handle_at", arg: -1, why: "it opens files beside the worker's root"},
	{call: "socketpair", arg: -1, why: "sockets that hold each other in their queues are never freed by some kernels"},
	{call: "msgget", arg: -1, why: "it can take every queue id of the namespace"},
	{call: "msgctl", arg: -1, why: "it shows and changes queues of others"},
	{call: "kill", arg: -1, why: "it reaches other processes of the same user"},
	{call: "tkill", arg: -1, why: "it reaches threads of other processes"},
	{call: "rt_sigqueueinfo", arg: -1, why: "it reaches other processes of the same user"},
	{call: "personality", arg: -1, why: "READ_IMPLIES_EXEC makes memory executable that is written"},
	{call: "tgkill", arg: 0, mask: low32, why: "it reaches other processes of the same user; compare arg0 with $self_pid"},
	{call: "ioctl", arg: 1, mask: low32, bad: among(0x5412, 0x540e), why: "the request says what is done; no request at all, nor TIOCSTI or TIOCSCTTY, is left open"},
	{call: "prctl", arg: 0, mask: low32, bad: among(1, 22, 0x59616d61), why: "the option says what is done; PR_SET_PDEATHSIG would let it outlive the supervisor"},
	{call: "fcntl", arg: 1, mask: low32, bad: fcntlBad, why: "the command says what is done; F_SETOWN, F_SETSIG, F_SETLEASE, F_NOTIFY and F_SETPIPE_SZ reach beyond the worker"},
	{call: "fcntl64", arg: 1, mask: low32, bad: fcntlBad, why: "the command says what is done; F_SETOWN, F_SETSIG, F_SETLEASE, F_NOTIFY and F_SETPIPE_SZ reach beyond the worker"},
	{call: "mmap", arg: 2, mask: protExec, bad: anyOf(protExec), late: true, why: "memory that is written becomes executable"},
	{call: "mmap2", arg: 2, mask: protExec, bad: anyOf(protExec), late: true, why: "memory that is written becomes executable"},
	{call: "mprotect", arg: 2, mask: protExec, bad: anyOf(protExec), late: true, why: "memory that is written becomes executable"},
	{call: "pkey_mprotect", arg: 2, mask: protExec, bad: anyOf(protExec), late: true, why: "memory that is written becomes executable"},
	{call: "socket", arg: 0, mask: low32, why: "the family says which part of the kernel answers; some are loaded on demand"},
	{call: "msgsnd", arg: 0, mask: low32, why: "it could send into queues of others; compare arg0 with $send_queues"},
	{call: "msgrcv", arg: 0, mask: low32, why: "it could take messages of others; compare arg0 with $receive_queues"},
	{call: "msgrcv", arg: 4, mask: 0x6000, bad: anyOf(0x6000), why: "MSG_COPY and MSG_EXCEPT take or read what is not for it"},
}

// F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY, F_SETPIPE_SZ.
var fcntlBad = among(8, 10, 15, 1024, 1026, 1031)

// Undoes lists the lines that would undo a part of the confinement and do not
// acknowledge it, with their positions, nil when there are none.
func (p *Profile) Undoes() error {
	var problems Problems
	for _, r := range p.rules {
		if r.acknowledged {
			continue
		}
		for _, u := range undoings {
			if u.call == r.call && !(u.late && r.start) && u.by(r) {
				problems.add(r.pos, u.why, "pin it, remove it, or put the line into acknowledge { } with the reason", "%s undoes a part of the confinement", quote(r.text))
				break
			}
		}
	}
	return problems.err()
}

// by reports whether a rule admits the call with a value that undoes. What it
// admits differs little between architectures: one where it does is enough.
func (u *undoing) by(r *rule) bool {
	for _, a := range r.archs.list() {
		br, err := bindRule(r, a, Symbols())
		if err != nil {
			continue // Bind says so
		}
		for _, c := range br.admits {
			if u.arg < 0 {
				return true
			}
			pinned := slices.ContainsFunc(c, func(t atom) bool {
				return t.arg == u.arg && t.mask&u.mask == u.mask && (u.bad == nil || !u.bad(t.value&u.mask))
			})
			if !pinned {
				return true
			}
		}
	}
	return false
}

// Acknowledged are the lines that undo a part of the confinement and say so.
func (p *Profile) Acknowledged() []Row {
	return slices.DeleteFunc(p.Rows(), func(r Row) bool { return !r.Acknowledged })
}

// String names the line for a log.
func (r Row) String() string {
	return fmt.Sprintf("%s.policy:%d: %s: %s", r.Profile, r.Line, r.Rule, r.Reason)
}
