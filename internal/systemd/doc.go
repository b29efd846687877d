// Package systemd speaks with the service manager: sd_notify(3) as a text in a
// datagram, with descriptors for its store beside it. Without a manager, that
// is without NOTIFY_SOCKET, every call does nothing.
//
// What the store gives back comes as LISTEN_FDS, which internal/socket reads.
package systemd
