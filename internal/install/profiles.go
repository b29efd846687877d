package install

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"sallyport/internal/config"
	"sallyport/internal/seccomp"
	"sallyport/policy"
)

// Profile resolves the profile of a worker: a built-in one by its name, or a file
// by its path, from the directory of the configuration. Such a file and what it
// includes beside it belong to whoever may own the configuration.
func Profile(configuration, profile string, owners []uint32) (name string, files fs.FS) {
	if policy.IsFile(profile) && !filepath.IsAbs(profile) {
		profile = filepath.Dir(configuration) + "/" + profile // not Join, which may leave a mere name
	}
	return policy.Source(profile, func(path string) ([]byte, error) { return config.Text(path, owners...) })
}

// profiles judges a worker's profile: whether it can be read, whether it undoes a
// part of the confinement, and whether it fits what the worker is granted.
func profiles(owners []uint32) func(*config.Config, *config.Worker) []config.Objection {
	return func(c *config.Config, w *config.Worker) []config.Objection {
		name, files := Profile(c.Path, w.Policy, owners)
		p, err := seccomp.Parse(name, files)
		if err == nil {
			err = p.Undoes()
		}
		if err != nil {
			return objections(err)
		}
		b, err := p.Bind(seccomp.Native(), seccomp.Symbols())
		if err != nil {
			return objections(err)
		}
		return append(unfit(b, c, w), undone(b, c, w)...)
	}
}

// objections are one for each mistake of a profile, with its position.
func objections(err error) []config.Objection {
	var problems seccomp.Problems
	if !errors.As(err, &problems) {
		return []config.Objection{{What: err.Error()}}
	}
	var out []config.Objection
	for _, p := range problems {
		out = append(out, config.Objection{What: fmt.Sprintf("%s: %s", p.Pos, p.What), Why: p.Why, Fix: p.Fix})
	}
	return out
}

// admitted reports whether a running worker under the profile can make a call.
func admitted(b *seccomp.Bound, call string, args ...uint64) bool {
	d, known := decide(b, call, args...)
	return known && d.Action == seccomp.Allow
}

func decide(b *seccomp.Bound, call string, args ...uint64) (seccomp.Decision, bool) {
	nr, known := seccomp.CallNumber(b.Arch, call)
	if !known {
		return seccomp.Decision{}, false
	}
	var all [6]uint64
	copy(all[:], args)
	return b.Decide(seccomp.Running, nr, all), true
}
