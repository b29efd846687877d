// Package testenv is what tests need from the machine: root, a private IPC
// namespace, a process of their own, and the kernel's own count of what was
// left open.
//
// A test that cannot run here skips with a text that begins with "needs ", so
// that `make test` can count the skips and say what they were for.
package testenv
