// Package pi has tests only, for the emulated Raspberry Pi of `make machine`: lines
// of its GPIO chip, requested by the supervisor's own code, in the hands of programs
// without rights. What a line is set to is asked of debugfs, from outside.
package pi
