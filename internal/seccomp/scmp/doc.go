// Package scmp compiles bound profiles with libseccomp. It is the only package
// that links the library; programs on the worker's side never import it.
//
// Nothing here is trusted: hand what Compile returns to seccomp.Verify before
// it is loaded.
package scmp
