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
// The labels P1 to P16 (parent) and W1 to W10 (worker) are those of the
// protocol's description and stand in the code where the step is made.
package fault
