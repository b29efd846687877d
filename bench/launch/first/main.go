// First is the program that both sides start: it writes one byte to descriptor 3
// before anything else, and ends when its other end is closed.
package main

import "golang.org/x/sys/unix"

func main() {
	b := [1]byte{'1'}
	if _, err := unix.Write(3, b[:]); err != nil {
		return
	}
	_, _ = unix.Read(3, b[:])
}
