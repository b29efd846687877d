package device_test

import (
	"io"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/device"
)

// TestRests: a value stays what it is for as long as Rests says, and a pulse or
// a square changes then.
func TestRests(t *testing.T) {
	for name, c := range map[string]struct {
		sim  config.Sim
		at   time.Duration
		want time.Duration
	}{
		"before a pulse": {config.Sim{Wave: "pulse", Period: 10 * time.Second, After: 2 * time.Second, For: 3 * time.Second, Min: 4, Max: 9}, 500 * time.Millisecond, 1500 * time.Millisecond},
		"in a pulse":     {config.Sim{Wave: "pulse", Period: 10 * time.Second, After: 2 * time.Second, For: 3 * time.Second, Min: 4, Max: 9}, 24 * time.Second, time.Second},
		"after a pulse":  {config.Sim{Wave: "pulse", Period: 10 * time.Second, After: 2 * time.Second, For: 3 * time.Second, Min: 4, Max: 9}, 6 * time.Second, 4 * time.Second},
		"square, low":    {config.Sim{Wave: "square", Period: 4 * time.Second, Min: 1, Max: 2}, time.Second, time.Second},
		"square, high":   {config.Sim{Wave: "square", Period: 4 * time.Second, Min: 1, Max: 2}, 3 * time.Second, time.Second},
		"quick sine":     {config.Sim{Wave: "sine", Period: time.Second, Min: 1, Max: 2}, 0, 100 * time.Millisecond},
		"slow sine":      {config.Sim{Wave: "sine", Period: 24 * time.Hour, Min: 1, Max: 2}, 0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := device.Open(config.Device{Name: "s", Kind: "sim", Sim: &c.sim}, device.Options{})
			must(t, err)
			defer d.Close()
			begin := time.Now()
			must(t, d.Step(begin))
			value := func(after time.Duration) string {
				must(t, d.Step(begin.Add(after)))
				text, err := io.ReadAll(io.NewSectionReader(d.Opened()[0].File, 0, 16))
				must(t, err)
				return string(text)
			}
			got, changes := d.Rests(begin.Add(c.at))
			if got != c.want || !changes {
				t.Fatalf("rests %v, %v; want %v", got, changes, c.want)
			}
			if c.sim.Wave == "sine" {
				return
			}
			now := value(c.at)
			if still := value(c.at + got - time.Millisecond); still != now {
				t.Errorf("it was %q, and %q before its time", now, still)
			}
			// At the end of a period in which nothing follows a pulse nothing changes.
			if then := value(c.at + got); then == now && name != "after a pulse" {
				t.Errorf("it is %q still", then)
			}
		})
	}
	out, err := device.Open(config.Device{Name: "o", Kind: "sim", Output: true, Sim: &config.Sim{}}, device.Options{})
	must(t, err)
	defer out.Close()
	if _, changes := out.Rests(time.Now()); changes {
		t.Error("an output is said to change by itself")
	}
}
