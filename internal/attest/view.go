package attest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/launch"
)

// View is what the kernel shows of a worker at one moment, for people: nothing is
// compared with anything.
type View struct {
	Threads      int               `json:"threads"`
	UID          []string          `json:"uid"` // real, effective, saved, of files
	GID          []string          `json:"gid"`
	Groups       []string          `json:"groups"`
	Capabilities map[string]string `json:"capabilities"` // sets in hexadecimal
	NoNewPrivs   bool              `json:"no_new_privs"`
	Seccomp      string            `json:"seccomp"` // mode; 2 is a filter
	Filters      string            `json:"filters"`
	Executable   string            `json:"executable"` // as the supervisor's /proc names it
	Root         []string          `json:"root"`       // names in its root directory
	RootReadOnly bool              `json:"root_read_only"`
	Cgroup       string            `json:"cgroup"`
	Namespaces   []Namespace       `json:"namespaces"`
	Descriptors  []Descriptor      `json:"descriptors"`
	Limits       map[string]string `json:"limits"` // hard ones, in the kernel's words
}

// Namespace is one of the worker's.
type Namespace struct {
	Name  string `json:"name"`
	Inode uint64 `json:"inode"`
	Own   bool   `json:"own"` // not the supervisor's
}

// Descriptor is one row of the worker's table.
type Descriptor struct {
	Number int    `json:"number"`
	Target string `json:"target"` // the kernel's description
	Grant  string `json:"grant"`  // the name it was granted under; "" for what it opened or was started with
}

// Look takes a View.
func Look(p *launch.Process) (*View, error) {
	d, err := openProc(p.PID())
	if err != nil {
		return nil, err
	}
	defer d.close()
	if err := (&Proof{p: p}).Check(); err != nil {
		return nil, err
	}
	v := &View{}
	for _, look := range []func(*procDir) error{v.status, v.limits, v.root, v.namespaces, v.descriptors} {
		if err := look(d); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (v *View) status(d *procDir) error {
	text, err := d.read("status")
	if err != nil {
		return err
	}
	f := fields(text)
	v.Threads, _ = strconv.Atoi(f["Threads"])
	v.UID, v.GID, v.Groups = strings.Fields(f["Uid"]), strings.Fields(f["Gid"]), strings.Fields(f["Groups"])
	v.NoNewPrivs = f["NoNewPrivs"] == "1"
	v.Seccomp, v.Filters = f["Seccomp"], f["Seccomp_filters"]
	v.Capabilities = map[string]string{"effective": f["CapEff"], "permitted": f["CapPrm"], "inheritable": f["CapInh"], "bounding": f["CapBnd"], "ambient": f["CapAmb"]}
	if v.Executable, err = d.link("exe"); err != nil {
		return err
	}
	v.Cgroup, err = d.read("cgroup")
	v.Cgroup = strings.TrimSpace(v.Cgroup)
	return err
}

// limits keeps the rows that a launch sets.
func (v *View) limits(d *procDir) error {
	text, err := d.read("limits")
	if err != nil {
		return err
	}
	v.Limits = make(map[string]string)
	for line := range strings.Lines(text) {
		for name, key := range map[string]string{"Max open files": "open_files", "Max processes": "tasks", "Max data size": "data_bytes",
			"Max file size": "file_size_bytes", "Max core file size": "core_bytes", "Max locked memory": "locked_bytes", "Max realtime priority": "realtime_priority"} {
			if rest, ok := strings.CutPrefix(line, name); ok && len(strings.Fields(rest)) >= 2 {
				v.Limits[key] = strings.Fields(rest)[1]
			}
		}
	}
	return nil
}

func (v *View) root(d *procDir) error {
	names, err := d.list("root/")
	if err != nil {
		return err
	}
	slices.Sort(names)
	v.Root = append([]string{}, names...)
	v.RootReadOnly, err = rootReadOnly(d)
	return err
}

func (v *View) namespaces(d *procDir) error {
	for _, n := range namespaces {
		theirs, err := d.stat("ns/" + n.name)
		if err != nil {
			return err
		}
		var ours unix.Stat_t
		if err := unix.Stat("/proc/self/ns/"+n.name, &ours); err != nil {
			return fmt.Errorf("own %s namespace: %w", n.name, err)
		}
		v.Namespaces = append(v.Namespaces, Namespace{n.name, theirs.Ino, theirs.Ino != ours.Ino})
	}
	return nil
}

func (v *View) descriptors(d *procDir) error {
	names, err := d.list("fd")
	if err != nil {
		return err
	}
	for _, name := range names {
		link, err := d.link("fd/" + name)
		if errors.Is(err, unix.ENOENT) {
			continue // closed meanwhile
		}
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(name)
		if err != nil {
			return fmt.Errorf("descriptor %q has no number", name)
		}
		v.Descriptors = append(v.Descriptors, Descriptor{Number: n, Target: link})
	}
	slices.SortFunc(v.Descriptors, func(a, b Descriptor) int { return a.Number - b.Number })
	return nil
}

// Dump asks the kernel for the filter that all threads of the worker are under,
// and returns its SHA-256.
func Dump(p *launch.Process) (hash [32]byte, err error) {
	d, err := openProc(p.PID())
	if err != nil {
		return hash, err
	}
	defer d.close()
	err = p.Undisturbed(func() error {
		if err := (&Proof{p: p}).Check(); err != nil {
			return err
		}
		hash, err = dump(d)
		return err
	})
	return hash, err
}

// Taken is when the proof was begun, and how many threads it found.
func (f *Proof) Taken() (at time.Time, threads int) { return f.taken, f.threads }
