package main

import (
	"strings"
	"testing"
	"time"

	"sallyport/internal/lane"
	"sallyport/internal/testenv"
	"sallyport/internal/workertest"
	"sallyport/pkg/scmrights"
)

func TestMain(m *testing.M) { workertest.Main(m, main) }

func TestAlarmSwitchesLamp(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	p := workertest.Exec(t, 1)
	lanes, lamp := workertest.NewLanes(t), workertest.Memfd(t, "0")
	p.Grant("lamp", scmrights.KindMemfd, lamp)
	p.GrantBells(nil, lanes)
	p.Start(lane.Start{
		Worker:   lane.StartWorker{ID: 2, Name: "alarm"},
		Settings: map[string]string{"hold": "400ms"},
		Sensors:  []lane.Sensor{workertest.Sensor(7, "fridge", "", "")},
		Receive:  []lane.In{lanes.In(1)}, Bell: "bell",
	})
	p.Ready()
	tx := lanes.Sender(1, 2)
	becomes := func(level byte) {
		t.Helper()
		got := make([]byte, 1)
		for late := time.Now().Add(workertest.Patience); got[0] != level; time.Sleep(time.Millisecond) {
			if _, err := lamp.ReadAt(got, 0); err != nil || time.Now().After(late) {
				t.Fatalf("lamp is %q, want %q (%v)", got, level, err)
			}
		}
	}
	alert := func() {
		t.Helper()
		if err := tx.Alert(7, "alert", 9.5, "C", "too warm"); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Reading(7, "reading", 9.5, "C"); err != nil {
		t.Fatal(err)
	}
	alert()
	becomes('1')
	becomes('0')
	alert()
	becomes('1')
	p.Stop()
	if err := p.End(); err != nil {
		t.Errorf("%v: %s", err, &p.Stderr)
	}
	becomes('0')
	if got := p.Stderr.String(); strings.Count(got, "fridge: too warm\n") != 2 {
		t.Errorf("standard error %q", got)
	}
}
