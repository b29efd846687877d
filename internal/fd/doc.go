// Package fd has one type: an owned descriptor.
//
// A descriptor number in an int says nothing about who closes it, and between
// the moment it is read and the moment it is used it can be closed and given to
// another file. In Go the garbage collector alone does that: os.File closes its
// number when the File is not reachable any more. An FD is owned by exactly one
// part of the program, is closed once, and lends its number only for the time
// of a call, during which it cannot be closed.
package fd
