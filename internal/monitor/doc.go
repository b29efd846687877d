// Package monitor decides what happens to one worker.
//
// A Monitor is a pure state machine: it is told what was observed (Event) and
// at what time, and answers with what is to be done (Action). It makes no
// system call, starts no goroutine and reads no clock, so every schedule of a
// worker, the kernel and the operator can be replayed in a test.
//
//	declared -> starting -> proving -> granting -> ready -> stopping
//	                                                          |
//	        stopped | backoff -> starting | given up | quarantined
//
// Its ancestor is the monitor of OpenSSH: one table (Allowed) says what a
// worker may say in which state, and a word outside its state ends the worker.
// The package is for cmd/supervisor; a worker plugin has no use for it.
package monitor
