// Package sys holds the raw system calls and kernel structures that
// golang.org/x/sys/unix has no wrapper for.
//
// It is the only package of the module that imports unsafe. A function here
// takes Go values, makes one system call, keeps its arguments alive until the
// call is back, and returns the errno as an error. It decides nothing: checks,
// retries and ownership belong to the callers.
//
// Files are grouped by the part of the kernel they speak to: scm_ (sockets and
// control messages), msg_ (System V queues), launch_ (processes, namespaces,
// limits), seccomp_ (filters and notices).
package sys
