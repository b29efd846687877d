//go:build fault

package fault

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Enabled says whether this build has failpoints.
const Enabled = true

var plan = struct {
	sync.Mutex
	read  bool
	kills map[string]int // the hit at which to die
	on    map[string]bool
	hits  map[string]int
	dir   string         // of orders; "" for none
	since map[string]int // hits since an order was there
}{hits: map[string]int{}, since: map[string]int{}}

// Point marks the step name of the protocol; the environment, or an order, can
// make it the last one of this process.
func Point(name string) {
	plan.Lock()
	defer plan.Unlock()
	readPlan()
	plan.hits[name]++
	if at, found := plan.kills[name]; found && plan.hits[name] == at || ordered(name) {
		if plan.on["tell"] {
			fmt.Fprintf(os.Stderr, "fault: %s of process %d\n", name, os.Getpid())
		}
		// To the own thread, which every profile of a worker admits; kill(2) would
		// be a breach. It is the process that ends.
		_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGKILL)
		select {} // SIGKILL arrives before this thread is back in user space, or very soon after
	}
}

// ordered says whether the file called as the point orders this hit to be the
// last. The file is renamed then, which tells whoever gave the order.
func ordered(name string) bool {
	if plan.dir == "" {
		return false
	}
	file := filepath.Join(plan.dir, name)
	text, err := os.ReadFile(file)
	if err != nil {
		delete(plan.since, name)
		return false
	}
	at, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || at < 1 {
		fmt.Fprintf(os.Stderr, "%s: %q is no number of hits\n", file, text)
		os.Exit(2)
	}
	if plan.since[name]++; plan.since[name] < at {
		return false
	}
	return os.Rename(file, file+doneSuffix) == nil
}

// Heir is what a supervisor adds to the environment of the next process of the
// worker name: the plan in the file worker.NAME of the orders, once.
func Heir(name string) []string {
	plan.Lock()
	defer plan.Unlock()
	readPlan()
	if plan.dir == "" {
		return nil
	}
	file := filepath.Join(plan.dir, "worker."+name)
	text, err := os.ReadFile(file)
	if err != nil || os.Rename(file, file+doneSuffix) != nil {
		return nil
	}
	return []string{"SALLYPORT_FAULT=" + strings.TrimSpace(string(text))}
}

const doneSuffix = ".done"

// On says whether the switch name is on.
func On(name string) bool {
	plan.Lock()
	defer plan.Unlock()
	readPlan()
	plan.hits[name]++
	return plan.on[name]
}

// Hits is the number of times that the point or switch was reached.
func Hits(name string) int {
	plan.Lock()
	defer plan.Unlock()
	return plan.hits[name]
}

// Plan replaces the plan by text, in the form that the environment has it, and
// counts from zero again: for a process that serves several rounds of a test.
func Plan(text string) error {
	kills, on, err := parsePlan(text)
	if err != nil {
		return err
	}
	plan.Lock()
	defer plan.Unlock()
	plan.read, plan.kills, plan.on = true, kills, on
	clear(plan.hits)
	return nil
}

// readPlan reads SALLYPORT_FAULT once. A plan that cannot be read ends the
// process: a test that injects nothing would pass for the wrong reason.
func readPlan() {
	if plan.read {
		return
	}
	plan.read, plan.dir = true, os.Getenv("SALLYPORT_FAULT_DIR")
	var err error
	if plan.kills, plan.on, err = parsePlan(os.Getenv("SALLYPORT_FAULT")); err != nil {
		fmt.Fprintf(os.Stderr, "SALLYPORT_FAULT: %v\n", err)
		os.Exit(2)
	}
}

func parsePlan(text string) (kills map[string]int, on map[string]bool, err error) {
	kills, on = map[string]int{}, map[string]bool{}
	for _, entry := range strings.Split(text, ",") {
		if entry == "" {
			continue
		}
		name, action, _ := strings.Cut(entry, "=")
		verb, count, counted := strings.Cut(action, ":")
		at := 1
		if counted {
			n, err := strconv.Atoi(count)
			if err != nil || n < 1 {
				verb = ""
			}
			at = n
		}
		switch verb {
		case "kill":
			kills[name] = at
		case "on":
			on[name] = true
		default:
			return nil, nil, fmt.Errorf("%q: not NAME=kill, NAME=kill:N or NAME=on", entry)
		}
	}
	return kills, on, nil
}
