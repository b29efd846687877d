// Package socket makes the listeners and connections that the configuration
// names, to be granted to workers that have no network of their own.
//
// Addresses are literal: nothing here resolves a name. A listener belongs to
// the supervisor for its whole life, so that what clients have sent while a
// worker was down is there for its successor; a connection is made anew for
// every process, because half a conversation is of no use to the next.
//
// Inherited finds the listeners that a service manager has made for the
// supervisor itself, sd_listen_fds(3).
package socket
