package worker_test

import (
	"testing"

	"sallyport/pkg/worker"
)

func TestPulse(t *testing.T) {
	p := &worker.Pulse{}
	beats := func(want bool, when string) {
		t.Helper()
		if p.Beats() != want {
			t.Errorf("%s: alive %v", when, !want)
		}
	}
	beats(true, "in no loop")
	every, items := p.Begin(), p.Begin()
	beats(true, "waiting")
	beats(true, "waiting still")
	every.Plugin()
	beats(true, "in the plugin's code")
	beats(false, "in the same turn of it")
	beats(false, "and still")
	items.Plugin()
	items.Plugin()
	beats(false, "while another loop goes on")
	p.Wait(1)
	beats(true, "waiting for room by rule")
	p.Wait(-1)
	beats(false, "no longer waiting")
	every.Plugin()
	beats(true, "it came back")
	every.Plugin()
	every.Plugin()
	every.Plugin()
	beats(true, "in a later turn")
	beats(false, "in the same turn again")
	every.End()
	beats(true, "the loop is over")
}
