package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
)

// Estate is what a Tree leaves to a successor in the same process. It can be
// encoded as JSON.
type Estate struct {
	Dir, Leaf   string
	Root        bool
	Controllers []string
}

// Estate describes the tree.
func (t *Tree) Estate() Estate {
	return Estate{Dir: t.dir, Leaf: t.leaf, Root: t.root, Controllers: t.Controllers}
}

// Adopt makes a Tree of what another one left: this process is where Open put it.
func Adopt(e Estate) (*Tree, error) {
	if _, err := os.Stat(e.Dir); err != nil {
		return nil, fmt.Errorf("cgroups for the workers: %w", err)
	}
	return &Tree{Place: Place{dir: e.Dir, root: e.Root, Controllers: e.Controllers}, leaf: e.Leaf}, nil
}

// Adopt makes the Group of a worker that runs in it already.
func (t *Tree) Adopt(worker string) (*Group, error) {
	g := &Group{dir: filepath.Join(t.dir, workerPrefix+worker)}
	var err error
	g.File, err = os.Open(g.dir)
	return g, err
}
