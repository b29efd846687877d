package seccomp

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// Extension is how the names of profile files end.
const Extension = ".policy"

const (
	maxFile  = 256 << 10 // bytes of one file
	maxRules = 4096      // of a profile with its groups
)

// Parse reads the profile of that name, NAME.policy in fsys, with the groups it
// includes, and checks it for every architecture. The error is Problems: every
// mistake of every file that was read. A profile that is well formed may still
// be refused by Bind, when the values of its variables make it too wide.
func Parse(profile string, fsys fs.FS) (*Profile, error) {
	l := &loader{fsys: fsys, done: make(map[string]bool)}
	l.load(strings.TrimSuffix(profile, Extension), Pos{File: profile}, nil)
	p := &Profile{Name: strings.TrimSuffix(profile, Extension), rules: l.rules}
	if len(l.problems) == 0 && len(l.rules) == 0 {
		l.problems.add(Pos{File: p.Name + Extension, Line: 1, Col: 1}, "a worker under it could not even end", "include @go-runtime", "the profile allows nothing")
	}
	if len(l.rules) <= maxRules {
		check(l.rules, &l.problems)
	}
	if err := l.problems.err(); err != nil {
		return nil, err
	}
	return p, nil
}

type loader struct {
	fsys     fs.FS
	done     map[string]bool
	rules    []*rule
	problems Problems
}

// load reads one file and those it includes; chain is how it came to be read.
func (l *loader) load(group string, from Pos, chain []string) {
	switch {
	case slices.Contains(chain, group):
		l.problems.add(from, strings.Join(append(chain, group), " includes "), "", "group @%s includes itself", group)
		return
	case len(chain) >= maxDepth:
		l.problems.add(from, "", "", "groups included more than %d deep", maxDepth)
		return
	case l.done[group]:
		return
	}
	l.done[group] = true
	path := group + Extension
	src, err := l.read(path)
	if err != nil {
		why, fix := reason(err), ""
		if errors.Is(err, fs.ErrNotExist) {
			why, fix = "there is no "+path, suggest(group, l.names())
		} else if len(chain) == 0 {
			from = Pos{path, 1, 1}
		}
		l.problems.add(from, why, fix, "cannot read %s", quote(group))
		return
	}
	f := &file{name: group, path: path, src: src}
	parseFile(f, &l.problems)
	if len(f.rules)+len(f.includes) == 0 && len(chain) > 0 {
		l.problems.add(Pos{path, 1, 1}, "", "", "the group has no rules")
	}
	next := append(slices.Clone(chain), group)
	at := 0
	for _, inc := range f.includes {
		l.rules = append(l.rules, f.rules[at:inc.at]...)
		at = inc.at
		l.load(inc.group, inc.pos, next)
	}
	if l.rules = append(l.rules, f.rules[at:]...); len(l.rules) > maxRules {
		l.problems.add(Pos{path, 1, 1}, "", "", "more than %d rules", maxRules)
	}
}

func (l *loader) read(path string) (string, error) {
	f, err := l.fsys.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(src) > maxFile {
		return "", fmt.Errorf("the file is larger than %d KiB", maxFile>>10)
	}
	return string(src), nil
}

func (l *loader) names() []string {
	files, err := fs.Glob(l.fsys, "*"+Extension)
	if err != nil {
		return nil
	}
	for i := range files {
		files[i] = strings.TrimSuffix(files[i], Extension)
	}
	return files
}

// reason is an error without the operation and the path, which the position of
// the problem has already.
func reason(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

// Includes are the groups that a file includes, as far as it can be read.
func Includes(src string) []string {
	var problems Problems
	f := &file{src: src}
	parseFile(f, &problems)
	var out []string
	for _, inc := range f.includes {
		out = append(out, inc.group)
	}
	return out
}
