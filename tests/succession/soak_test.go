//go:build !fault

package succession_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/tests/results"
)

// TestUpgradeSoak upgrades under load again and again, restarts a worker now and
// then, and holds the accounts: no message lost by the receivers' own count, no
// process left, the same descriptors open. N=200 SEED=1 make upgrade-soak.
func TestUpgradeSoak(t *testing.T) {
	seed, n := number(t, "SEED", uint64(time.Now().UnixNano())), number(t, "N", 3)
	t.Logf("SEED=%d N=%d", seed, n)
	random := rand.New(rand.NewPCG(seed, 0))
	began := time.Now()
	r := upgrading(t, nil)
	table, restarts := r.quietTable(), 0
	var took []float64
	for i := range n {
		items, err := r.client.Ask(t.Context(), "upgrade", nil)
		var done struct{ MS float64 }
		if err == nil {
			err = json.Unmarshal(items[0], &done)
		}
		if err != nil {
			t.Fatalf("upgrade %d: %v", i+1, err)
		}
		took = append(took, done.MS)
		if random.IntN(10) == 0 {
			name := []string{"sampler", "store", "alarm"}[random.IntN(3)]
			if _, err := r.client.Ask(t.Context(), "restart", map[string]string{"worker": name}); err != nil {
				t.Fatalf("restart of %s after upgrade %d: %v", name, i+1, err)
			}
			restarts++
		}
		time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
	}
	now := r.quietTable()
	if len(now) != len(table) {
		t.Errorf("open are %d descriptors, were %d: %q, %q", len(now), len(table), now, table)
	}
	workers := r.status()
	r.events(t, "alert", 1) // so that there was one
	sum := r.summary()
	for name, st := range workers {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", st.PID)); err == nil {
			t.Errorf("%s still runs as process %d", name, st.PID)
		}
	}
	if sum.Lost != 0 || sum.InFlightLost != 0 || sum.LeakedFDs != 0 || sum.LeakedQueues != 0 || sum.Readings == 0 || sum.Alerts == 0 {
		t.Errorf("summary %+v", sum)
	}
	slices.Sort(took)
	t.Logf("halted for %.0f ms at the median, %.0f at most; %+v", took[len(took)/2], took[len(took)-1], sum)
	if file := os.Getenv("RESULTS"); file != "" && !t.Failed() {
		found := results.New(fmt.Sprintf("make upgrade-soak N=%d SEED=%d", n, seed), began)
		found.Add("upgrades", n)
		found.Add("restarts", uint64(restarts))
		found.Add("readings at the tap", sum.Readings)
		found.Add("alerts at the tap", sum.Alerts)
		found.Add("lost", sum.Lost)
		found.Add("dropped", sum.Dropped)
		found.Add("leaked descriptors", uint64(sum.LeakedFDs))
		found.Add("halted ms, median", uint64(took[len(took)/2]))
		found.Add("halted ms, most", uint64(took[len(took)-1]))
		if err := results.Append(file, found); err != nil {
			t.Error(err)
		}
	}
}

func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q: %v", name, text, err)
	}
	return n
}

// summary ends the supervisor in order and gives its last event.
func (r *running) summary() (sum control.Summary) {
	r.t.Helper()
	began, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		first := true
		for line, err := range r.client.Events(context.Background()) {
			if err != nil {
				r.t.Error(err)
				return
			}
			if first {
				close(began)
				first = false
			}
			if _, e, err := control.Decode(line); err == nil && strings.Contains(string(line), `"event":"summary"`) {
				sum, _ = e.(control.Summary)
			}
		}
	}()
	<-began
	r.stop()
	<-over
	return sum
}
