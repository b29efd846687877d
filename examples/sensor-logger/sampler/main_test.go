package main

import (
	"context"
	"testing"

	"sallyport/internal/lane"
	"sallyport/internal/reading"
	"sallyport/internal/testenv"
	"sallyport/internal/workertest"
	"sallyport/pkg/scmrights"
)

func TestMain(m *testing.M) { workertest.Main(m, main) }

func TestSamplerSendsReadingsAndAlerts(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	p := workertest.Exec(t, 1)
	lanes := workertest.NewLanes(t)
	fridge := workertest.Memfd(t, "4.000          \n")
	p.Grant("fridge", scmrights.KindMemfd, fridge)
	p.Grant("load", scmrights.KindMemfd, workertest.Memfd(t, "0.25 0.17 0.09 1/98 7746\n"))
	p.GrantBells(lanes, nil)
	p.Start(lane.Start{
		Settings: map[string]string{"every": "20ms", "alert": "fridge > 8"},
		Sensors:  []lane.Sensor{workertest.Sensor(1, "fridge", "fridge", "raw"), workertest.Sensor(2, "load", "load", "field:0")},
		Send:     []lane.Out{lanes.Out(2)},
	})
	p.Ready()
	r := lanes.Receiver(2, 1)
	ctx, cancel := context.WithTimeout(t.Context(), workertest.Patience)
	defer cancel()
	next := func(want reading.Kind, sensor uint32) reading.Frame {
		t.Helper()
		for {
			it, err := r.Receive(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if it.Frame.Kind == want && it.Frame.Sensor == sensor {
				return it.Frame
			}
			if it.Urgent {
				t.Errorf("alert %+v", it.Frame)
			}
		}
	}
	if f := next(reading.Reading, 1); f.Value != 4 {
		t.Errorf("fridge is %v", f.Value)
	}
	if f := next(reading.Reading, 2); f.Value != 0.25 {
		t.Errorf("load is %v", f.Value)
	}
	if _, err := fridge.WriteAt([]byte("9.500          \n"), 0); err != nil {
		t.Fatal(err)
	}
	if f := next(reading.Alert, 1); f.Value != 9.5 || f.Text != "fridge is 9.5, above 8" {
		t.Errorf("alert %+v", f)
	}
	for range 3 { // and no second alert while it stays warm
		next(reading.Reading, 1)
	}
	p.Stop()
	if err := p.End(); err != nil {
		t.Errorf("%v: %s", err, &p.Stderr)
	}
}

func TestSamplerRefusesRule(t *testing.T) {
	p := workertest.Exec(t, 1)
	p.Start(lane.Start{Settings: map[string]string{"alert": "fridge is warm"}})
	if err := p.End(); err == nil {
		t.Error("it ran")
	}
	want := "sampler.test: setting \"alert\": \"fridge is warm\" is no rule; write it as in \"fridge > 8\"\n"
	if got := p.Stderr.String(); got != want {
		t.Errorf("standard error %q, want %q", got, want)
	}
}
