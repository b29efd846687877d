// Package cgroup puts workers into cgroups of version 2 (cgroups(7)), one for
// each, with limits of memory, tasks and CPU time, and ends all that is in one at
// once.
//
// Find looks, and changes nothing: at the supervisor's own cgroup and the
// controllers that it may give on. Open prepares it: the supervisor moves into a
// leaf beside its workers, because the kernel gives controllers on only from a
// cgroup without processes. That needs a cgroup of the supervisor's own, as
// systemd gives with Delegate=yes; the root of the tree, which is exempt, gets one
// cgroup for all of them.
//
// There is nothing here for version 1, nor for a tree of version 2 that has the
// controllers elsewhere (a hybrid one): limits are rlimits then, and that is said.
//
// All paths are below one directory, so that a test can give it a tree of plain
// files.
package cgroup
