package config

import (
	"fmt"
	"math"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"
)

// idRange, backoff and giveUp are what the formats of the same name hold.
type (
	idRange struct{ first, last uint32 }
	backoff struct{ least, most time.Duration }
	giveUp  struct {
		times  int
		within time.Duration
	}
	address struct{ network, address string }
)

// nobody is the id of files whose owner is unknown; other services use it too.
const nobody = 65534

// fault is why a text does not have the format asked for. A zero fault is none.
type fault struct{ what, why, fix string }

func parseDuration(s string) (time.Duration, fault) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, fault{fmt.Sprintf("%q is not a duration", s), "", `write a number with its unit, ms, s, m or h, as in "500ms", "10s" or "1h30m"`}
	case d < 0:
		return 0, fault{fmt.Sprintf("%q is negative", s), "", "write a duration of zero or more"}
	case d > 366*24*time.Hour:
		return 0, fault{fmt.Sprintf("%q is more than a year", s), "", "write a shorter duration"}
	}
	return d, fault{}
}

// parseCPU gives hundredths of one processor.
func parseCPU(s string) (uint32, fault) {
	digits, percent := strings.CutSuffix(s, "%")
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || !percent || n < 1 || n > 100*1024 {
		return 0, fault{fmt.Sprintf("%q is not a share of a processor's time", s), "", `write a whole number of per cent, as in "50%"; 200% is two processors`}
	}
	return uint32(n), fault{}
}

func parseSize(s string) (uint64, fault) {
	digits := strings.TrimRight(s, "BKMGTikbmgt ")
	n, err := strconv.ParseUint(digits, 10, 64)
	unit := strings.TrimSpace(strings.TrimPrefix(s, digits))
	scale, known := map[string]uint64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[unit]
	if err == nil && known && n <= math.MaxInt64/scale {
		return n * scale, fault{}
	}
	f := fault{fmt.Sprintf("%q is not a size", s), "", `write a whole number with its unit, B, KiB, MiB or GiB, as in "64KiB"`}
	if known {
		f.why = "no machine has as much"
	} else if err == nil && strings.ContainsRune("KkMmGg", rune(unit[0])) {
		f.why = "sizes count in steps of 1024, and the unit says so"
		f.fix = fmt.Sprintf("did you mean \"%s%ciB\"?", digits, strings.ToUpper(unit)[0])
	}
	return 0, f
}

func parseIDs(s string) (idRange, fault) {
	low, high, ok := strings.Cut(s, "-")
	first, err1 := strconv.ParseUint(strings.TrimSpace(low), 10, 32)
	last, err2 := strconv.ParseUint(strings.TrimSpace(high), 10, 32)
	f := fault{what: fmt.Sprintf("%q is not a range of ids", s), fix: `write the first and the last, as in "20000-20099"`}
	switch {
	case !ok || err1 != nil || err2 != nil:
		return idRange{}, f
	case first > last:
		f.why = "the first is above the last"
		f.fix = fmt.Sprintf("did you mean \"%d-%d\"?", last, first)
		return idRange{}, f
	case first == 0:
		return idRange{}, fault{fmt.Sprintf("the ids %q include 0", s), "0 is root, and its group may control every queue", `start the range above the system's own users, as in "20000-20099"`}
	case first <= nobody && nobody <= last:
		return idRange{}, fault{fmt.Sprintf("the ids %q include %d", s, nobody), "that is nobody, whom other services use too", `take another range, as in "20000-20099"`}
	case last == math.MaxUint32:
		return idRange{}, fault{fmt.Sprintf("the ids %q include %d", s, last), "the kernel takes that number for \"leave the id as it is\", which would be root", `take another range, as in "20000-20099"`}
	}
	return idRange{uint32(first), uint32(last)}, fault{}
}

func parseBackoff(s string) (backoff, fault) {
	low, high, ok := strings.Cut(s, "..")
	least, f1 := parseDuration(strings.TrimSpace(low))
	most, f2 := parseDuration(strings.TrimSpace(high))
	f := fault{what: fmt.Sprintf("%q is not a backoff", s), fix: `write the shortest and the longest wait, as in "200ms..30s"`}
	switch {
	case !ok || f1.what != "" || f2.what != "":
		return backoff{}, f
	case least > most:
		f.why = "the shortest wait is longer than the longest"
		f.fix = fmt.Sprintf("did you mean \"%s..%s\"?", strings.TrimSpace(high), strings.TrimSpace(low))
		return backoff{}, f
	case least < time.Millisecond:
		f.why = "without a wait a worker that cannot start would keep the processor busy"
		f.fix = `let the shortest wait be "1ms" or more`
		return backoff{}, f
	}
	return backoff{least, most}, fault{}
}

func parseGiveUp(s string) (giveUp, fault) {
	f := fault{what: fmt.Sprintf("%q does not say when to give up", s), fix: `write a number of failures and a time, as in "5 in 10m"`}
	words := strings.Fields(s)
	if len(words) != 3 || words[1] != "in" {
		return giveUp{}, f
	}
	n, err := strconv.ParseUint(words[0], 10, 16)
	within, df := parseDuration(words[2])
	switch {
	case err != nil || n == 0:
		f.why = fmt.Sprintf("%q is not a number of failures from 1 to 65535", words[0])
	case df.what != "":
		f.why = df.what
	case within == 0:
		f.why = "no failure happens within no time"
	default:
		return giveUp{int(n), within}, fault{}
	}
	return giveUp{}, f
}

func parseFlood(s string) (Flood, fault) {
	if s == "never" {
		return Flood{}, fault{}
	}
	f := fault{what: fmt.Sprintf("%q does not say what a flood is", s), fix: `write a part of the lane and a time, as in "90% for 10s", or "never"`}
	words := strings.Fields(s)
	if len(words) != 3 || words[1] != "for" {
		return Flood{}, f
	}
	part, isPart := strings.CutSuffix(words[0], "%")
	n, err := strconv.ParseUint(part, 10, 8)
	lasts, df := parseDuration(words[2])
	switch {
	case !isPart || err != nil || n < 10 || n > 100:
		f.why = fmt.Sprintf("%q is not a part of the lane from 10%% to 100%%", words[0])
	case df.what != "":
		f.why = df.what
	case lasts < time.Second || lasts > time.Hour:
		f.why = fmt.Sprintf("%q is not from 1s to 1h", words[2])
	default:
		return Flood{int(n), lasts}, fault{}
	}
	return Flood{}, f
}

func parseAddress(s string) (address, fault) {
	network, rest, ok := strings.Cut(s, "://")
	f := fault{what: fmt.Sprintf("%q is not an address", s), fix: `write tcp://, udp:// or unix:// and the place, as in "tcp://127.0.0.1:9130", "tcp://[::1]:80" or "unix:///run/x.sock"`}
	switch {
	case !ok:
		return address{}, f
	case network == "unix":
		if f := checkPath(rest); f.what != "" {
			return address{}, f
		}
		if len(rest) > 107 {
			return address{}, fault{fmt.Sprintf("the path %q is too long for a socket", rest), "the kernel takes at most 107 bytes", "take a shorter one"}
		}
		return address{network, rest}, fault{}
	case network != "tcp" && network != "udp":
		return address{}, f
	}
	at, err := netip.ParseAddrPort(rest)
	if err != nil {
		f.why = "the host is a literal address and the port a number: the supervisor resolves no names"
		return address{}, f
	}
	if at.Port() == 0 {
		f.why = "port 0 is no port"
		return address{}, f
	}
	return address{network, at.String()}, fault{}
}

// parseMode reads permission bits as chmod has them.
func parseMode(s string) (uint32, fault) {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 || len(s) < 3 {
		return 0, fault{fmt.Sprintf("%q is no mode", s), "", `write three octal digits after a zero, as in "0666" or "0600"`}
	}
	return uint32(n), fault{}
}

// checkPath holds a path to one spelling, so that two blocks with the same path
// are seen to have it.
func checkPath(s string) fault {
	switch {
	case strings.ContainsRune(s, 0):
		return fault{fmt.Sprintf("the path %q holds a zero byte", s), "", "remove it"}
	case !strings.HasPrefix(s, "/"):
		return fault{fmt.Sprintf("the path %q is not absolute", s), "the supervisor's working directory is not yours", "write the whole path, from /"}
	case path.Clean(s) != s:
		return fault{fmt.Sprintf("the path %q is written in a roundabout way", s), "", fmt.Sprintf("write %q", path.Clean(s))}
	}
	return fault{}
}
