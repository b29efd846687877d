package cgroup

// FindBelow is Find in a tree that a test has made.
func FindBelow(root string, pid int, others bool) (*Place, error) { return find(root, pid, others) }

// At is a place that is prepared already, without any controller.
func At(dir string) *Tree { return &Tree{Place: Place{dir: dir, root: true}} }

var CPUMax = cpuMax
