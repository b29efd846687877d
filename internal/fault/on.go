//go:build fault

package fault

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Enabled says whether this build has failpoints.
const Enabled = true

var plan = struct {
	sync.Mutex
	read  bool
	kills map[string]int // the hit at which to die
	on    map[string]bool
	hits  map[string]int
}{hits: map[string]int{}}

// Point marks the step name of the protocol; the environment can make it the
// last one of this process.
func Point(name string) {
	plan.Lock()
	defer plan.Unlock()
	readPlan()
	plan.hits[name]++
	if at, found := plan.kills[name]; found && plan.hits[name] == at {
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {} // SIGKILL arrives before this thread is back in user space, or very soon after
	}
}

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
	plan.read = true
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
