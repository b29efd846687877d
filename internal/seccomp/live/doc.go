// Package live holds no code but tests: programs that really run under a compiled
// filter, with somebody at its listener who writes down every notice. They show
// that the @go-runtime group fits the Go release that this module is built with,
// and that the kernel does what the model says.
package live
