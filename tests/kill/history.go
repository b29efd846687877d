package kill

import (
	"fmt"
	"strings"

	"sallyport/pkg/scmrights"
)

// History is what is handed over, and who dies when.
type History struct {
	Items  []Item
	Rounds []Round
}

// Item is one descriptor of a history: a row of modes, one of sorts, and the
// number of the OFFER that carries it, counted from 0.
type Item struct {
	Mode, Sort, Batch int
}

// Round is one hand-over; the zero value is one that nobody disturbs.
type Round struct {
	Parent, Worker Kill
}

// Kill is the Nth hit of a failpoint of one process; the zero value is none. At
// the points AnyParent and AnyWorker it is a SIGKILL from outside, Nth
// microseconds after the process had its order.
type Kill struct {
	Point string
	Nth   int
}

func (k Kill) plan() string {
	if k.Point == "" || k.outside() {
		return ""
	}
	return fmt.Sprintf("%s=kill:%d", k.Point, k.Nth)
}

func (k Kill) outside() bool { return k.Point == AnyParent || k.Point == AnyWorker }

func (k Kill) String() string {
	if k.Point == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", k.Point, k.Nth)
}

func (h History) String() string {
	var items, rounds []string
	for _, it := range h.Items {
		items = append(items, fmt.Sprintf("%s %s in %d", modes[it.Mode].mode, sorts[it.Sort].name, it.Batch))
	}
	for _, r := range h.Rounds {
		rounds = append(rounds, strings.TrimSpace(r.Parent.String()+" "+r.Worker.String()))
	}
	return "[" + strings.Join(items, ", ") + "] [" + strings.Join(rounds, " | ") + "]"
}

// modes is what the modes of a grant promise about the parent's copy. A mode is
// tested when it has a row.
var modes = []struct {
	mode scmrights.Mode
	held bool // the parent keeps a copy of what was delivered
}{
	{scmrights.ModeShare, true},
	{scmrights.ModeMove, false},
}

// delivered are the states in which the worker has the descriptor.
var delivered = map[string]bool{
	scmrights.StateDelivered.String(): true,
	scmrights.StateCommitted.String(): true,
}

// reached says whether a worker that died at the kill had written the receipt
// for the OFFER number batch (from 0) by then.
func (k Kill) reached(batch int) bool {
	switch k.Point {
	case "W2":
		return false
	case "W3": // its first hit is WELCOME
		return batch+2 < k.Nth
	case "W6":
		return batch+1 <= k.Nth
	}
	return batch+1 < k.Nth
}
