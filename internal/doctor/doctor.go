package doctor

import (
	"fmt"
	"os"
	"path/filepath"
)

// Level of a finding.
type Level string

const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
)

// Finding is one line.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	Says  string `json:"says"`
	Fix   string `json:"fix"` // what to type or to change; "" where nothing is amiss
}

// Host is the machine that is looked at.
type Host struct {
	Root string // "/" but for a test; what is read of files is read below it
	Euid int
	// Namespaces tries in a child, in namespaces of its own, what the first
	// process of a supervisor does; see InNamespaces.
	Namespaces func() (limits error, err error)
	// Libseccomp asks the supervisor, which is linked with it, for its version.
	Libseccomp func() (string, error)
}

// Look takes every look, in the order in which they are shown.
func (h Host) Look() []Finding {
	var all []Finding
	for _, look := range []func(Host) []Finding{
		seccompHere, ownFilters, filterDump, libseccomp, landlockHere, namespaces, userNamespaces, cgroups,
		kernel, buses, gpioChips, groups,
	} {
		all = append(all, look(h)...)
	}
	return all
}

// Worst is the highest level among findings.
func Worst(all []Finding) Level {
	worst := OK
	for _, f := range all {
		if f.Level == Fail || f.Level == Warn && worst == OK {
			worst = f.Level
		}
	}
	return worst
}

func one(check string, level Level, fix, format string, args ...any) []Finding {
	return []Finding{{check, level, fmt.Sprintf(format, args...), fix}}
}

func (h Host) path(name string) string { return filepath.Join(h.Root, name) }

func (h Host) read(name string) (string, error) {
	text, err := os.ReadFile(h.path(name))
	return string(text), err
}

func (h Host) glob(pattern string) []string {
	found, err := filepath.Glob(h.path(pattern))
	if err != nil {
		return nil // of a pattern in this package that is wrong: a test would show it
	}
	return found
}
