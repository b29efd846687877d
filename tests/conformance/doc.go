// Package conformance holds no code but tests of System V queues, as the kernel
// has them and as pkg/sysvctl shows them: one for each fact that the design leans
// on and that pkg/sysvctl does not test itself, the case lists of other projects
// by the names they have there, written anew, and clients that nobody of this
// project wrote. docs/conformance-sysvctl.md counts them.
package conformance
