package seccomp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// ImportOCI turns the seccomp object of an OCI runtime configuration into the
// text of a profile. It is a proposal: notes say what was left out, because no
// profile may have it or because this language has no words for it. What the
// object refuses by its default action is a breach here.
func ImportOCI(data []byte) (text string, notes []string, err error) {
	var in ociProfile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return "", nil, fmt.Errorf("no seccomp object of the OCI runtime specification: %w", ociPosition(data, err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", nil, fmt.Errorf("something follows the seccomp object, at byte %d", d.InputOffset())
	}
	if !refusal(in.DefaultAction) {
		return "", nil, fmt.Errorf("defaultAction is %q: it admits what it does not name, a profile here names what it admits", in.DefaultAction)
	}
	archs := archSet(0)
	for i, name := range in.Architectures {
		if a, ok := archOfOCI(name); ok {
			archs |= 1 << a
		} else {
			notes = append(notes, fmt.Sprintf("architectures[%d]: %s is left out, profiles know %s", i, name, archNames(Archs)))
		}
	}
	if len(in.Architectures) == 0 {
		archs = allArchs
	}
	if archs == 0 {
		return "", nil, fmt.Errorf("architectures: none of %s is among them", archNames(Archs))
	}
	w := ociWriter{archs: archs, notes: notes}
	for _, conditional := range []bool{false, true} { // a call that is admitted as a whole needs no more lines
		for i, c := range in.Syscalls {
			if len(c.Args) > 0 == conditional {
				w.calls(fmt.Sprintf("syscalls[%d]", i), c)
			}
		}
	}
	if len(w.lines) == 0 {
		return "", nil, errors.New("nothing is left that a profile could admit")
	}
	return "# Imported from an OCI seccomp profile.\n\n" + strings.Join(w.lines, ""), w.notes, nil
}

// ociPosition adds line and column to errors that have an offset.
func ociPosition(data []byte, err error) error {
	offset := int64(-1)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = e.Offset
	} else if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = e.Offset
	}
	if offset < 0 || offset > int64(len(data)) {
		return err
	}
	before := string(data[:offset])
	return fmt.Errorf("line %d, column %d: %w", 1+strings.Count(before, "\n"), len(before)-strings.LastIndex(before, "\n"), err)
}

func archOfOCI(name string) (Arch, bool) {
	for a, n := range ociArchs {
		if n == name {
			return a, true
		}
	}
	return 0, false
}

// refusal reports whether an action stops the call.
func refusal(action string) bool {
	switch action {
	case ociErrno, ociKill, "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP", "SCMP_ACT_NOTIFY":
		return true
	}
	return false
}

type ociWriter struct {
	archs archSet
	rules []*rule // of lines
	lines []string
	notes []string
}

func (w *ociWriter) note(where, format string, args ...any) {
	w.notes = append(w.notes, where+": "+fmt.Sprintf(format, args...))
}

func (w *ociWriter) calls(where string, c ociCalls) {
	end := ""
	switch c.Action {
	case ociAllow:
	case ociErrno:
		errno := uint32(errnoTable["EPERM"])
		if c.ErrnoRet != nil {
			errno = *c.ErrnoRet
		}
		name := errnoName(uint16(errno))
		if name == "" || errno > 4095 || len(c.Args) > 0 {
			w.note(where, "left out: a refusal with errno %d, of some arguments: %t", errno, len(c.Args) > 0)
			return
		}
		end = ": return " + name
	default:
		if !refusal(c.Action) {
			w.note(where, "left out: %s: there is no such verdict here", c.Action)
		} // else it is a breach, as everything that no line names
		return
	}
	cond, why := ociConditions(c.Args)
	for _, name := range c.Names {
		switch {
		case why != "":
			w.note(where, "left out: %s: %s", name, why)
		case cond != "":
			w.add(where, name, name+": "+cond)
		default:
			w.add(where, name, name+end)
		}
	}
}

// ociConditions is the condition of an entry, "" for none, or why there are no
// words for it.
func ociConditions(args []ociArg) (cond, why string) {
	var words []string
	for _, a := range args {
		word, why := ociCondition(a)
		if why != "" {
			return "", fmt.Sprintf("arg%d: %s", a.Index, why)
		}
		words = append(words, word)
	}
	return strings.Join(words, " && "), ""
}

func ociCondition(a ociArg) (word, why string) {
	arg := "arg" + strconv.FormatUint(uint64(a.Index), 10)
	number := func(n uint64) string { return fmt.Sprintf("%#x", n) }
	switch {
	case a.Index > 5:
		return "", "a call has six arguments"
	case a.Op == ociEqual:
		return arg + " == " + number(a.Value), ""
	case a.Op == "SCMP_CMP_NE":
		return arg + " != " + number(a.Value), ""
	case a.Op == ociMaskedEqual:
		return arg + " & " + number(a.Value) + " == " + number(a.ValueTwo), ""
	case a.Op == "SCMP_CMP_LT" && bits.OnesCount64(a.Value) == 1:
		return arg + " & ~" + number(a.Value-1) + " == 0", ""
	case a.Op == "SCMP_CMP_LE" && bits.OnesCount64(a.Value+1) == 1:
		return arg + " & ~" + number(a.Value) + " == 0", ""
	}
	return "", a.Op + " is a range that no mask says"
}

// add writes a line if a profile may have it, on the architectures of the object
// that have the call.
func (w *ociWriter) add(where, call, line string) {
	known := callArchs(call) & w.archs
	switch {
	case slices.Contains(launchOnly, call):
		w.note(where, "left out: %s: the launch admits one exec by itself", call)
		return
	case slices.Contains(never, call):
		w.note(where, "left out: %s: no profile may have it", call)
		return
	case known == 0:
		w.note(where, "left out: %s: no call of %s has that name", call, archNames(w.archs.list()))
		return
	}
	if known != allArchs {
		line = "arch " + strings.ReplaceAll(archNames(known.list()), ",", "") + " { " + line + " }"
	}
	var problems Problems
	f := &file{name: "imported", path: where, src: line}
	parseFile(f, &problems)
	all := append(slices.Clone(w.rules), f.rules...)
	check(all, &problems)
	if len(problems) > 0 {
		w.note(where, "left out: %s: %s", call, problems[0].What)
		return
	}
	w.rules = all
	if line += "\n"; !slices.Contains(w.lines, line) {
		w.lines = append(w.lines, line)
	}
}
