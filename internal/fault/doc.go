// Package fault has the named points at which a test can kill the process, and
// the named switches with which it can break one thing on purpose.
//
// Without the build tag "fault" Point and On are empty and cost nothing; no
// release is built with the tag. With it, the environment decides:
//
//	SALLYPORT_FAULT="P3=kill,W5=kill:2,leak-fd=on"
//
// NAME=kill sends SIGKILL to the own process when the point is reached,
// NAME=kill:N when it is reached for the Nth time, NAME=on turns a switch on.
// The switch "tell" makes a process that dies say on its
// standard error at which point, and as which process.
//
// A process that lives on takes orders from files in SALLYPORT_FAULT_DIR: a file
// called as a point, P9 say, holds the number of the hit, counted from when the
// file is there, at which to die; it is renamed to P9.done just before. A file
// worker.NAME holds the plan for the next process of that worker.
//
// The labels P1 to P16 (parent) and W1 to W10 (worker) are those of the
// protocol's description and stand in the code where the step is made.
package fault
