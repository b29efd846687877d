// Package differential holds no code but tests: random programs of queue calls,
// made by several real processes with users and groups of their own, run against
// the kernel and against internal/queuemodel at once. Any answer, or any IPC_STAT,
// that the model does not allow is a failure, and is printed with the program and
// its seed.
//
//	make diff-sysvctl N=100000 SEED=1
package differential
