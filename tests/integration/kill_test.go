//go:build integration

package integration_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestWorkersKilledAtRandom: a worker chosen at random is killed again and
// again while the demo runs, whatever it is doing then; nothing is lost by it
// but what was in its hand. KILL_FOR=60s makes it longer, SEED repeats a run.
func TestWorkersKilledAtRandom(t *testing.T) {
	leftovers(t)
	length, seed := 10*time.Second, uint64(time.Now().UnixNano())
	if text := os.Getenv("KILL_FOR"); text != "" {
		length = must(time.ParseDuration(text))(t)
	}
	if text := os.Getenv("SEED"); text != "" {
		seed = must(strconv.ParseUint(text, 10, 64))(t)
	}
	t.Logf("SEED=%d KILL_FOR=%v", seed, length)
	random := rand.New(rand.NewPCG(seed, 0))

	d := startDemo(t, "--for", length.String())
	d.wait("reading", 1, 10*time.Second)
	kills := 0
	for tick := time.NewTicker(700 * time.Millisecond); !d.over(); {
		select {
		case <-d.ended:
		case <-tick.C:
			_, workers, err := supervisor()
			if err != nil {
				continue // between two lives, or at the end
			}
			if syscall.Kill(workers[random.IntN(len(workers))].PID, syscall.SIGKILL) == nil {
				kills++
			}
		}
	}
	last := d.finish(20 * time.Second)
	t.Logf("%d killed, %d times granted again", kills, figure(t, "regranted", last.Regranted))
	if kills < 5 {
		t.Errorf("only %d workers were killed", kills)
	}
	for name, value := range map[string]*int{
		"lost": last.Lost, "leaked_fds": last.LeakedFDs, "leaked_queues": last.LeakedQueues,
	} {
		if n := figure(t, name, value); n != 0 {
			t.Errorf("%s is %d, want 0", name, n)
		}
	}
}

// must ends the test where a value could not be read.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
