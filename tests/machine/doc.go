// Package machine holds what a whole emulated computer and its host say to each
// other, for `make machine`.
//
// A machine is qemu with a kernel of Debian and an initramfs that is made here: a
// first process (guest/), test binaries, and what they read. The first process
// runs the binaries one after the other and prints what they print on the serial
// line, between marks; the host (cmd/) reads the line, counts the tests, and fails
// unless every mark came. Nothing is installed in the machine, and nothing of it
// remains.
//
// Why whole machines: user-mode emulation translates the very system calls whose
// layouts are to be proved, and a Raspberry Pi's GPIO chip is nowhere else.
package machine

// The marks, each at the beginning of a line of the serial line.
const (
	MarkKernel = "@@kernel " // and what the kernel says it is: release, machine
	MarkBegin  = "@@begin "  // and the package whose test binary begins
	MarkEnd    = "@@end "    // and the package, and the binary's exit status
	MarkSaid   = "@@said "   // and a line about the machine for people
	MarkDone   = "@@done"    // every binary of the plan has run
)

// Plan is the file in the initramfs that says what the first process does: a line
// "module FILE PARAMETERS" loads a module, "env NAME=VALUE" sets a variable of
// what comes after, "test PACKAGE DIR FILE ARGUMENTS" runs a test binary in a
// directory.
const Plan = "/plan"
