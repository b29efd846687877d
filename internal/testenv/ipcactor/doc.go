// Package ipcactor is for tests of permissions on System V queues: a process
// with a user and group of its own, without capabilities, that makes the queue
// calls it is told to make and says what the kernel answered.
//
// The process is the test binary itself; its TestMain begins with Main.
package ipcactor
