package monitor_test

import (
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"sallyport/internal/monitor"
)

// steady gives waits that depend on nothing but the number of the call.
type steady struct{ calls int }

func (d *steady) NextBackOff() time.Duration { d.calls++; return time.Duration(d.calls) * time.Second }
func (d *steady) Reset()                     { d.calls = 0 }

// TestRestoredMonitorDecidesAlike: a monitor that is replaced by one made of its
// snapshot before every event answers as one that never was. SEED repeats a run.
func TestRestoredMonitorDecidesAlike(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	config := func() monitor.Config {
		return monitor.Config{ReadyWithin: 5 * time.Second, Heartbeat: 10 * time.Second, StopGrace: time.Second, Healthy: time.Minute,
			Restart: monitor.Restart{When: "on-failure", GiveUp: 4, GiveUpWithin: time.Minute}, Delay: &steady{}}
	}
	for range 300 {
		cfg := config()
		one, other := monitor.New(config()), monitor.New(cfg)
		now := time.Unix(1_800_000_000, 0)
		for range 60 {
			now = now.Add(time.Duration(random.IntN(4000)) * time.Millisecond)
			e := monitor.Event{Kind: monitor.EventKind(random.IntN(int(monitor.Exited) + 1)), Reason: "why", Clean: random.IntN(2) == 0}
			other = monitor.Restore(cfg, other.Snapshot())
			want, got := one.Handle(now, e), other.Handle(now, e)
			if !reflect.DeepEqual(want, got) || !reflect.DeepEqual(one.Snapshot(), other.Snapshot()) {
				t.Fatalf("event %+v: %v and %+v, without the change %v and %+v", e, got, other.Snapshot(), want, one.Snapshot())
			}
		}
	}
}
