// Package launch starts confined workers and stays with them to their end.
//
// A Launcher owns one operating system thread for its whole life and makes
// every clone on it, because a worker's parent-death signal follows the thread
// that made it. Start clones the stage (package stage) into namespaces of its
// own; the stage gives all rights away, loads the worker's filter with a
// listener and executes the plugin. The exec is a call that the filter does
// not allow: it waits as a notice until the parent has fetched the listener
// and lets this one continue.
//
// From then on one goroutine per Process polls the listener and the pidfd. A
// notice is decided by call number, arguments and phase, without a look into
// the worker's memory. What Spec.Decide neither continues nor answers is a
// breach: it is written down, the worker is killed, and the call never gets an
// answer.
//
//	Launching   the stage; its exec, and nothing else, may continue
//	Starting    the plugin's image, until the supervisor has its HELLO
//	Running     everything notified is up to Spec.Decide with this phase
//
// A Spec with a Program is executed twice: the executable is a launcher, whose own
// exec of the program, once and in phase Starting, continues as well.
//
// Needs Linux 5.11 with seccomp filters, /proc, and root or the capabilities
// of root in a user namespace; Probe says in words what is missing. The
// package proves nothing: internal/attest does, from what a Process shows.
package launch
