// Package pidpin binds a compiled filter to the process that loads it.
//
// A filter is compiled and verified once for a profile, when the worker's
// process id is not known yet. Where a rule names $self_pid the program compares
// with Template instead, and the launch puts the id in just before it loads the
// program. The parent does the same to its copy, and can verify that again.
//
// The package is apart from the rest of seccomp because the launch stage links
// it: it has no dependencies.
package pidpin
