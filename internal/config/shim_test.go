package config_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/config"
)

// TestShimIsTwoWorkers: the program has nothing but its standard output, and the
// other half the queue and the lines.
func TestShimIsTwoWorkers(t *testing.T) {
	c, err := config.Parse("shim.hcl", []byte(`
queue "q" {
  urgent { bands = { alert = 1 } }
  routine { bands = { reading = 9 } }
}
worker "out" {
  command     = ["/bin/weather", "-c"]
  policy      = "exec-shim"
  shim        = true
  prints      = { temp = "C", rain = "mm" }
  read_only   = ["/lib"]
  start_grace = "2s"
  proof       = 4
  queue "q" { send = ["reading", "alert"] }
}
worker "off" {
  command = ["/bin/other"]
  policy  = "exec-shim"
  shim    = true
  enabled = false
  prints  = { x = "" }
  queue "q" { send = ["reading"] }
}
`))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Workers) != 2 || len(c.Disabled) != 2 || len(c.Devices) != 2 {
		t.Fatalf("%d workers, %d disabled, %d devices", len(c.Workers), len(c.Disabled), len(c.Devices))
	}
	shim, program := c.Workers[0], c.Workers[1]
	if want := []string{"worker", "shim", "--", "/bin/weather", "-c"}; !slices.Equal(shim.Command, want) {
		t.Errorf("command %q, want %q", shim.Command, want)
	}
	if shim.Policy != "sensor-read" || shim.Protocol != 2 || len(shim.Queues) != 1 || len(shim.ReadOnly) != 0 || !slices.Equal(shim.Devices, []string{"out"}) ||
		shim.Heartbeat == 0 || shim.StartGrace != 0 || shim.PrintsTo != "" {
		t.Errorf("shim %+v", shim)
	}
	if program.Name != "out.program" || program.Policy != "exec-shim" || program.Protocol != 1 || len(program.Queues) != 0 || len(program.Devices) != 0 ||
		program.PrintsTo != "out" || program.StartGrace != 2*time.Second || program.Proof != 4 || program.ID == shim.ID {
		t.Errorf("program %+v", program)
	}
	want := []config.Printed{{Name: "rain", Unit: "mm"}, {Name: "temp", Unit: "C"}}
	if d := c.Devices[0]; d.Kind != "printed" || d.Name != "out" || !cmp.Equal(d.Printed, want) || !slices.Equal(d.Sensors(), []string{"out.rain", "out.temp"}) {
		t.Errorf("device %+v", d)
	}
}
