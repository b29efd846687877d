package config

import (
	"fmt"
	"strings"
)

// checkLevel holds what a worker is given against the level of the hand-over
// that it speaks: below 2 there is no START, so that nothing can tell it of
// lanes, settings or a new day's file, and no word of it but those of
// NOTIFY_SOCKET.
func (r *reader) checkLevel(n *node) {
	level := get[int](n.t, "protocol", n)
	if level == 2 {
		for _, name := range []string{"notify", "start_grace"} {
			if name == "start_grace" && get[bool](n.t, "shim", n) {
				continue // it is for the program
			}
			if n.has(name) && !(name == "notify" && !get[bool](n.t, name, n)) {
				r.in(n, n.at(name), fault{fmt.Sprintf("%s is for programs that do not speak the hand-over", name), "this worker says by itself when it is ready", fmt.Sprintf("remove %s, or set protocol = 0", name)})
			}
		}
		return
	}
	if level == 0 && !n.has("sockets") && !n.has("devices") {
		r.in(n, n.rng, fault{"a worker of protocol 0 is granted nothing", "it is started with what it is granted, as LISTEN_FDS", "add sockets or devices"})
	}
	notify := get[bool](n.t, "notify", n)
	if level == 1 && notify {
		r.in(n, n.at("notify"), fault{"notify is for protocol 0", "a worker of protocol 1 is ready when its receipts are in", "remove notify, or set protocol = 0"})
	}
	if n.has("heartbeat") && !(level == 0 && notify) {
		r.in(n, n.at("heartbeat"), fault{fmt.Sprintf("a worker of protocol %d has no heartbeat", level), "only WATCHDOG=1 on NOTIFY_SOCKET is one", "remove heartbeat, or set protocol = 0 and notify = true"})
	}
	for _, name := range []string{"settings", "directories"} {
		if n.has(name) {
			r.in(n, n.at(name), fault{fmt.Sprintf("a worker of protocol %d has no %s", level, name), "they come with START, which it does not understand", "remove " + name})
		}
	}
	for _, q := range n.all("queue") {
		r.in(q, q.rng, fault{fmt.Sprintf("a worker of protocol %d has no part in a queue", level), "its lanes come with START, which it does not understand", "remove the block"})
	}
	for _, path := range get[[]word](n.t, "read_only", n) {
		if path.text == "/" || path.text == "/notify" || strings.HasPrefix(path.text, "/proc/") || path.text == "/proc" || strings.HasPrefix(path.text, "/dev") || strings.HasPrefix(path.text, "/sys") {
			r.in(n, path.rng, fault{fmt.Sprintf("%q cannot be in a worker's root", path.text), "it would show more than files that programs need", `name the directories of libraries, as in ["/lib", "/lib64", "/usr/lib"]`})
		}
	}
}
