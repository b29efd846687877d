// Package sysv holds the examples of System V message queues: server and client
// with a reply, prioritised handling, a lamp that is switched by messages, and a
// status monitor. See README.md; the tests of this folder run them all.
package sysv

// Key is the key that the examples meet at, and TextSize the longest text, in
// bytes, as C programs of the same exercise declare it.
const (
	Key      = 1234
	TextSize = 256
)
