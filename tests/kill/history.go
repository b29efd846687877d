package kill

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/pkg/scmrights"
	"sallyport/tests/kill/wire"
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
	// Narrow makes the worker short of descriptor numbers for the first OFFER: it
	// has one less than this. What the kernel cut is sent again.
	Narrow int
	// Recall ends the round with a REVOKE of what was lent; Late is the death of
	// the parent during it, from outside.
	Recall bool
	Late   Kill
}

func (r Round) String() string {
	words := []string{r.Parent.String(), r.Worker.String()}
	if r.Narrow > 0 {
		words = append(words, fmt.Sprintf("narrow %d", r.Narrow-1))
	}
	if r.Recall {
		words = append(words, strings.TrimSpace("recall "+r.Late.String()))
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
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
		rounds = append(rounds, r.String())
	}
	return "[" + strings.Join(items, ", ") + "] [" + strings.Join(rounds, " | ") + "]"
}

// modes is what the modes of a grant promise about the parent's copy. A mode is
// tested when it has a row.
var modes = []struct {
	mode scmrights.Mode
	held bool // the parent keeps a copy of what was delivered
	// alone: the worker is to be the only holder, and has the descriptor when
	// its parent has none any more. A worker that dies between the two takes it
	// along; whether it did is for /proc to say.
	alone bool
}{
	{scmrights.ModeShare, true, false},
	{scmrights.ModeMove, false, false},
	{scmrights.ModeLend, true, false},
	{scmrights.ModeExclusive, false, true},
}

// hits is how often the parent has passed a failpoint of its offers' goroutines
// by the time these grants have ended and those goroutines too.
func hits(point string, fates []wire.Fate) int {
	n := map[int]int{}
	for _, f := range fates {
		again := 0
		if point != "P7" {
			again = max(0, f.Attempts-1)
		}
		unreceipted := strings.Contains(f.Err, "without a receipt") || strings.Contains(f.Err, "not sent again")
		committed := f.State == scmrights.StateCommitted.String() || strings.Contains(f.Err, "COMMIT was not taken")
		switch {
		case f.State == wire.Unsent, point == "P7" && unreceipted:
			n[f.Batch] = 0
		case point == "P6" && committed: // before COMMIT, and at the end
			n[f.Batch] = 2 + again
		default:
			n[f.Batch] = 1 + again
		}
	}
	sum := 0
	for _, one := range n {
		sum += one
	}
	return sum
}

// decides says whether it is known, of an item, if a worker that died had
// written the receipt for it.
func (r Round) decides(h History) bool {
	k := r.Worker
	if k.outside() || r.Narrow > 0 { // what was cut comes again, in any order
		return false
	}
	for _, it := range h.Items {
		if modes[it.Mode].alone && k.Point == "W3" {
			return false // its hits are COMMITs too
		}
	}
	return true
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
