// Package scmrights hands descriptors from a privileged parent to a worker over
// one SOCK_SEQPACKET pair, and tells the parent what became of each.
package scmrights
