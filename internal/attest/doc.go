// Package attest proves, from what the kernel shows of a running worker, that
// it is confined, before anything is granted to it.
//
// The levels, each with what the ones below it show:
//
//	1  every thread: under a filter (and the number of filters expected),
//	   no_new_privs, no capability in any set, the worker's own ids, no groups
//	2  namespaces, an empty read-only root, the descriptor table of a worker
//	   that was granted nothing yet (beside files that it opened to read beneath
//	   the entries of its root), the executable that was launched, no memory both
//	   writable and executable
//	3  the exec came as a notice over the listener of the very filter that was
//	   loaded: so that filter is on the thread that became the worker
//	4  the kernel's own dump of the filter of every thread is, byte for byte,
//	   the program that was verified
//
// Everything is read below one opened directory of /proc, which stays with
// the process it was opened for: when the worker dies, reads fail, and another
// process that gets its id is never looked at. Errors are in words and say
// which thread or descriptor is not as it should be.
//
// The reader must be root, or hold CAP_SYS_PTRACE over the worker. A proof
// says how things were when it was taken: filters, no_new_privs and empty
// capability sets cannot be undone, descriptors can be added.
package attest
