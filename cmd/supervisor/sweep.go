package main

import (
	"fmt"
	"time"

	"sallyport/internal/attest"
	"sallyport/internal/fault"
	"sallyport/internal/monitor"
)

// sweepEvery is how often a proved worker is looked at again. Filters, ids and
// empty capability sets cannot be undone by a process, so this guards against a
// kernel or a root that undoes them; a look costs about 0.3 ms.
const sweepEvery = 10 * time.Second

// sweep repeats level 1 of the proof while the worker runs. Drift ends it.
func (x *session) sweep(expect attest.Expect) {
	every := sweepEvery
	if fault.On("drift") {
		expect.Filters++
		every = time.Second
	}
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-x.ctx.Done():
			return
		case <-x.proc.Done():
			return
		case <-ticks.C:
		}
		if drift := x.proof.Sweep(expect); drift != nil {
			x.post(monitor.Event{Kind: monitor.Failed, Reason: fmt.Sprintf("drift: its confinement is not what was proved: %v", drift)})
			return
		}
	}
}
