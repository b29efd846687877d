package seccomp

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// Learned is what is known of a run that a profile is proposed from.
type Learned struct {
	Worker    string
	Arch      Arch
	Seen      []Seen
	Vars      Vars     // of the worker
	Groups    []string // to include, for what comes by chance
	EmptyRoot bool     // a path leads nowhere
	Files     fs.FS    // that has the groups
}

// chance are calls that a program in C makes or not as it happens: memory that
// grows, locks that are contended, signals, stops.
var chance = []string{"futex", "brk", "munmap", "mremap", "madvise", "rt_sigreturn", "restart_syscall", "sched_yield", "exit_group"}

// Propose writes the smallest profile under which the recorded calls are
// admitted: the groups, what they lack, and apart from it what was made at the
// start alone. It is text to be read and decided upon; nothing uses it by itself.
func Propose(l Learned) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: proposed from one run on %s. Calls that did not happen in it are not\n# here: read it, and run it under the worker's tests.\n\n", l.Worker, l.Arch)
	for _, g := range l.Groups {
		fmt.Fprintf(&b, "include @%s\n", g)
	}
	covered, err := l.covered()
	if err != nil {
		return "", err
	}
	lines := make(map[Phase]map[string]int) // rule -> how often
	var apart []string                      // what no profile can admit
	for _, ph := range []Phase{Running, Starting} {
		lines[ph] = make(map[string]int)
		for _, s := range l.Seen {
			if max(s.Phase, Starting) != ph || covered(s) {
				continue
			}
			rule, why := l.rule(s)
			if why != "" {
				apart = append(apart, fmt.Sprintf("# left out, %s: %s\n", why, Describe(l.Arch, s.Nr, s.Args)))
				continue
			}
			lines[ph][rule] += s.Count
		}
	}
	for rule := range lines[Starting] {
		call, _, _ := strings.Cut(rule, ":")
		if _, whole := lines[Running][call]; whole || lines[Running][rule] > 0 {
			delete(lines[Starting], rule)
		}
	}
	if len(l.Groups) == 0 || !slices.Contains(l.Groups, "go-runtime") {
		for _, call := range chance {
			if _, seen := lines[Running][call]; !seen {
				lines[Running][call] = 0
				delete(lines[Starting], call)
			}
		}
	}
	l.write(&b, lines[Running], "", "while running")
	if len(lines[Starting]) > 0 {
		b.WriteString("start {\n")
		l.write(&b, lines[Starting], "\t", "at the start")
		b.WriteString("}\n")
	}
	slices.Sort(apart)
	b.WriteString(strings.Join(slices.Compact(apart), ""))
	return b.String(), l.valid(b.String())
}

// covered says what the groups admit or refuse already.
func (l *Learned) covered() (func(Seen) bool, error) {
	if len(l.Groups) == 0 {
		return func(Seen) bool { return false }, nil
	}
	var text strings.Builder
	for _, g := range l.Groups {
		fmt.Fprintf(&text, "include @%s\n", g)
	}
	p, err := Parse("groups", overlay{Texts{"groups" + Extension: text.String()}, l.Files})
	if err != nil {
		return nil, err
	}
	vars := maps.Clone(l.Vars)
	delete(vars, selfPID)
	b, err := p.Bind(l.Arch, vars)
	if err != nil {
		return nil, err
	}
	return func(s Seen) bool {
		switch b.Decide(max(s.Phase, Starting), s.Nr, s.Args).Action {
		case Breach, Kill:
			return false
		}
		return true
	}, nil
}

// rule is the line for one kind of call, or why there can be none.
func (l *Learned) rule(s Seen) (text, why string) {
	call := CallName(l.Arch, s.Nr)
	switch {
	case slices.Contains(launchOnly, call):
		return "", "the launch admits one exec by itself"
	case slices.Contains(never, call):
		return "", "no profile has it"
	case callArchs(call) == 0:
		return "", "it has no name here"
	case call == "clone3":
		return "clone3: return ENOSYS", ""
	case l.EmptyRoot && isPath(call) && s.Args[flagsArg(call)]&atEmptyPath == 0:
		return call + ": return ENOENT", ""
	}
	var words []string
	for _, m := range tellingArgs(call, s.Args) {
		words = append(words, l.condition(call, m, s.Args))
	}
	words = slices.DeleteFunc(words, func(w string) bool { return w == "" })
	if len(words) == 0 {
		return call, ""
	}
	return call + ": " + strings.Join(words, " && "), ""
}

// isPath reports whether a call goes by a path.
func isPath(call string) bool {
	switch call {
	case "open", "openat", "openat2", "newfstatat", "fstatat64", "stat", "lstat", "stat64", "lstat64", "statx", "access", "faccessat", "faccessat2", "readlink", "readlinkat":
		return true
	}
	return false
}

func (l *Learned) condition(call string, m tellingArg, args [6]uint64) string {
	width := argWidth(l.Arch, call, m.arg)
	full := ^uint64(0) >> (64 - width)
	t := atom{m.arg, m.mask & full, args[m.arg] & m.mask & full}
	switch {
	case call == "msgsnd" && m.arg == 0 && slices.Contains(l.Vars["send_queues"], t.value):
		return "arg0 in $send_queues"
	case call == "msgsnd" && m.arg == 0 && slices.Contains(l.Vars["block_queues"], t.value):
		return "arg0 in $block_queues"
	case call == "msgrcv" && m.arg == 0 && slices.Contains(l.Vars["receive_queues"], t.value):
		return "arg0 in $receive_queues"
	case call == "msgsnd" && m.arg == 2 && slices.Contains(l.Vars["frames"], t.value):
		return "arg2 in $frames"
	case call == "tgkill":
		return "arg0 == $self_pid"
	case (call == "mmap" || call == "mmap2" || call == "mprotect") && t.value != 0:
		return "" // an executable page: the line is for the call as a whole
	case m.arg == 2 && (call == "fcntl" || call == "fcntl64") && t.value == 0 && uint32(args[1]) == fSetFL:
		return "arg2 & ~(O_ACCMODE|O_NONBLOCK|O_LARGEFILE) == 0"
	case call == "clone":
		return fmt.Sprintf("arg0 == %s", argumentWords(l.Arch, call, 0, t.value))
	case m.arg == flagsArg(call) && t.mask == atEmptyPath && t.value == 0:
		return "" // by a path
	}
	return t.words(l.Arch, call)
}

func (l *Learned) write(b *strings.Builder, lines map[string]int, indent, phase string) {
	for _, rule := range slices.Sorted(maps.Keys(lines)) {
		call, _, conditional := strings.Cut(rule, ":")
		if _, whole := lines[call]; conditional && whole {
			continue
		}
		text := rule
		if known := callArchs(call); known != allArchs {
			text = "arch " + strings.ReplaceAll(archNames(known.list()), ",", "") + " { " + rule + " }"
		}
		times := fmt.Sprintf("%d times %s", lines[rule], phase)
		switch lines[rule] {
		case 0:
			times = "not seen: it comes by chance"
		case 1:
			times = "once " + phase
		}
		fmt.Fprintf(b, "%s%-*s # %s\n", indent, 40-8*len(indent), text, times)
	}
}

// valid reads the proposal as the user will.
func (l *Learned) valid(text string) error {
	if _, err := Parse("proposed", overlay{Texts{"proposed" + Extension: text}, l.Files}); err != nil {
		return fmt.Errorf("the calls of %s make no profile: %w", l.Worker, err)
	}
	return nil
}

// overlay looks into one file system and then into another.
type overlay struct{ first, then fs.FS }

func (o overlay) Open(name string) (fs.File, error) {
	if f, err := o.first.Open(name); err == nil || o.then == nil {
		return f, err
	}
	return o.then.Open(name)
}
