// Package integration holds the tests that take the whole product: the real
// supervisor, started as its users start it, in a rootful container that the
// test has for itself. `make integration` builds the image, the programs and
// this package, and runs it there; nothing here runs outside.
//
// The tests find the built files in ../../bin. They use the command line and
// what the kernel shows in /proc, and no package of the project, so they judge
// what a user gets.
package integration
