// Package control is the supervisor's control socket: requests, answers, events.
//
// A unix stream socket carries one JSON object a line each way. A request is
//
//	{"v":1,"verb":"status","args":{},"follow":false}
//
// at most 4 KiB long. Answers are {"v":1,"ok":true,"item":{...}} lines, closed
// by {"v":1,"end":true}; an error is one line with ok false and the fields of
// Fault. Events are objects with at least t (RFC 3339, UTC) and event.
//
// Who may speak is decided by SO_PEERCRED (unix(7)): root and the supervisor's
// own user. A peer that does not read is cut off; it never holds up the
// supervisor, because events go through a bounded queue of its own.
package control
