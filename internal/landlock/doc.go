// Package landlock is the second wall around a worker, beside its filter and its
// empty root: rules of the Landlock security module (landlock(7), Linux 5.13) by
// which it may read and execute its own executable and what its root shows on
// purpose, and nothing else; no TCP, and where the kernel has it no signals and
// no abstract sockets beyond the worker.
//
//	r, err := landlock.New(abi)
//	err = r.File(exe)         // a descriptor, which no path leads to any more
//	err = r.Beneath("/usr")   // where the root shows something
//	err = r.Restrict()        // this thread, and what it executes
//
// Handled is what a version of the interface can forbid. A kernel with a newer
// one is asked for no more than that.
//
// It is of raw system calls and not of go-landlock, because the stage restricts
// one thread and names its executable by a descriptor, and because nothing but
// our own code is linked into the unprivileged side.
package landlock
