package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lane"
	"sallyport/internal/testenv"
	"sallyport/internal/workertest"
	"sallyport/pkg/scmrights"
)

func TestMain(m *testing.M) { workertest.Main(m, main) }

// begin starts store with this file as its segment.
func begin(t *testing.T, segment *os.File, kind scmrights.Kind) (*workertest.Process, *workertest.Lanes, *lane.Sender) {
	t.Helper()
	p := workertest.Exec(t, 1)
	lanes := workertest.NewLanes(t)
	p.Grant("data", kind, segment)
	p.GrantBells(nil, lanes)
	p.Start(lane.Start{
		Worker:   lane.StartWorker{ID: 2, Name: "store"},
		Settings: map[string]string{"batch": "200ms"},
		Sensors:  []lane.Sensor{workertest.Sensor(7, "fridge", "", "")},
		Receive:  []lane.In{lanes.In(1)}, Bell: "bell",
	})
	return p, lanes, lanes.Sender(1, 2)
}

func send(t *testing.T, tx *lane.Sender, values ...float64) {
	t.Helper()
	for _, v := range values {
		if err := tx.Reading(7, "reading", v, "C"); err != nil {
			t.Fatal(err)
		}
	}
}

// rows is the file's lines without their times.
func rows(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		at, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ",")
		if _, err := time.Parse(time.RFC3339, at); err != nil || !strings.HasSuffix(line, "\n") {
			t.Errorf("line %q: %v", line, err)
		}
		all = append(all, rest)
	}
	return all
}

func TestStoreWritesBatchesAndAlerts(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	path := filepath.Join(t.TempDir(), "day.csv")
	segment, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer segment.Close()
	p, _, tx := begin(t, segment, scmrights.KindFile)
	send(t, tx, 1, 2)
	p.Ready()
	wait := func(n int) []string {
		t.Helper()
		for late := time.Now().Add(workertest.Patience); ; time.Sleep(2 * time.Millisecond) {
			if got := rows(t, path); len(got) >= n {
				return got
			}
			if time.Now().After(late) {
				t.Fatalf("%d lines did not come: %q", n, rows(t, path))
			}
		}
	}
	wait(2)
	send(t, tx, 3)
	if err := tx.Alert(7, "alert", 9.5, "C", "too warm"); err != nil {
		t.Fatal(err)
	}
	// The alert overtakes the reading that waits for its batch.
	got := strings.Join(wait(4), " ")
	if want := "fridge,1,C,1 fridge,2,C,2 fridge,9.5,C,1 fridge,3,C,3"; got != want {
		t.Errorf("lines %q, want %q", got, want)
	}
	for late := time.Now().Add(workertest.Patience); tx.Waiting() > 0; time.Sleep(time.Millisecond) {
		if tx.Tick(); time.Now().After(late) {
			t.Fatal("the alert was not confirmed")
		}
	}
	p.Stop()
	if err := p.End(); err != nil {
		t.Errorf("%v: %s", err, &p.Stderr)
	}
}

// A full disk ends the store with the numbers; the alert in its hand stays
// unconfirmed, and so comes again to its successor.
func TestStoreEndsOnFullDisk(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("needs /dev/full: %v", err)
	}
	defer full.Close()
	p, _, tx := begin(t, full, scmrights.KindOther)
	if err := tx.Alert(7, "alert", 9.5, "C", "too warm"); err != nil {
		t.Fatal(err)
	}
	p.Ready()
	if err := p.End(); err == nil {
		t.Error("it ended well")
	}
	if got := p.Stderr.String(); !strings.Contains(got, "0 of 40 bytes") || !strings.Contains(got, "free space") {
		t.Errorf("standard error %q", got)
	}
	tx.Tick()
	if tx.Waiting() != 1 {
		t.Error("the alert was confirmed without being stored")
	}
}
