package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"sallyport/internal/lane"
	"sallyport/internal/testenv"
	"sallyport/internal/workertest"
	"sallyport/pkg/scmrights"
	"sallyport/pkg/worker"
)

const (
	usageVariable = "SALLYPORT_TEST_USAGE"
	shimVariable  = "SALLYPORT_TEST_SHIM" // the worker is `worker shim`
)

func TestMain(m *testing.M) {
	if os.Getenv(usageVariable) != "" {
		os.Args = []string{"worker"}
		main()
	}
	workertest.Main(m, func() {
		if os.Getenv(shimVariable) != "" {
			worker.Run(shim)
			return
		}
		worker.Run(read)
	})
}

func TestReadSendsEveryValue(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	p := workertest.Exec(t, 1)
	lanes := workertest.NewLanes(t)
	p.Grant("file", scmrights.KindMemfd, workertest.Memfd(t, "48312\n"))
	p.GrantBells(lanes, nil)
	p.Start(lane.Start{
		Settings: map[string]string{"every": "20ms"},
		Sensors:  []lane.Sensor{workertest.Sensor(1, "a", "file", "milli"), workertest.Sensor(2, "b", "file", "raw"), workertest.Sensor(3, "missing", "none", "raw")},
		Send:     []lane.Out{lanes.Out(2)},
	})
	p.Ready()
	r := lanes.Receiver(2, 1)
	ctx, cancel := context.WithTimeout(t.Context(), workertest.Patience)
	defer cancel()
	for i := range 6 {
		it, err := r.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want := []float64{48.312, 48312}[i%2]
		if it.Frame.Value != want || it.Frame.Sensor != uint32(1+i%2) {
			t.Errorf("frame %d: %+v", i, it.Frame)
		}
	}
	p.Stop()
	if err := p.End(); err != nil || p.Stderr.Len() != 0 {
		t.Errorf("%v: %s", err, &p.Stderr)
	}
}

func TestUsage(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), usageVariable+"=1")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || !strings.HasPrefix(string(out), "usage: worker read") {
		t.Errorf("%v: %s", err, out)
	}
}
