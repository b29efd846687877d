// Package kill ends the two processes of a hand-over with SIGKILL at every
// failpoint of pkg/scmrights, one or more times in one history, and asks the
// kernel after each time who has which descriptor.
//
// A history is a row of rounds. In a round one process offers descriptors and
// another takes them, and a plan says at which hit of which failpoint either is
// to die. The next round has a successor for whoever died, and offers it what
// was lost. The last round has no plan: in it everything must arrive.
//
// In some rounds more happens than deaths. The worker has too few free numbers
// for the first OFFER, so that the kernel cuts it and it is sent again; or, when
// all is delivered, what was lent is revoked, and who dies, dies in that.
//
// What is counted:
//
//	lost    a descriptor that neither the parent kept nor the worker had, or
//	        that did not reach the successor, or was called delivered and was not
//	leaked  a descriptor that is open anywhere but where it has to be: in a
//	        table of /proc, in the queue of a socket (scm_fds of fdinfo), or
//	        known only by its other end, a pipe or a pty, seeing no end
//	stuck   a step that did not come to its end within stuckAfter
//
// The processes are the program in actor, built with the tag fault. They live
// on from history to history until they are killed, so that one kill costs one
// exec. Needs Linux 5.6 (pidfd_getfd).
package kill
