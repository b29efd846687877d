package operate_test

import (
	"slices"
	"syscall"
	"testing"
	"time"
)

const flood = `supervisor {
  ids     = "23000-23009"
  control = "DIR/control"
  waive   = ["landlock", "cgroup-memory"]
}
device "load" { file = { path = "/proc/loadavg", decode = "field:0" } }
device "mem" { file = { path = "/proc/meminfo", decode = "key:MemAvailable" } }
queue "readings" {
  urgent { bands = { alert = 1 } }
  routine { bands = { reading = 9 } }
}
worker "flooder" {
  command = ["DIR/flooder"]
  devices = ["load"]
  policy  = "sensor-read"
  restart {
    when    = "always"
    backoff = "1ms..5ms"
    give_up = "60000 in 1h"
  }
}
worker "hangs" {
  command   = ["worker", "read"]
  settings  = { every = "10ms" }
  devices   = ["mem"]
  policy    = "sensor-read"
  heartbeat = "1h"
  queue "readings" { send = ["reading", "alert"] }
}
`

// TestControlAnswersUnderFire: while a worker hangs and another floods its log
// and its channel, the control socket answers as if nothing were, and the parent
// holds on to what it has: descriptors, memory, order.
func TestControlAnswersUnderFire(t *testing.T) {
	dir := folder(t)
	build(t, dir, "flooder")
	s := start(t, dir, flood)
	pid := s.await("hangs", "ready").PID
	s.await("flooder", "ready")
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	before := s.resident()
	var took []time.Duration
	for range 100 {
		began := time.Now()
		if st := s.status("hangs"); st.State != "ready" {
			t.Fatalf("%+v", st)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("the flooder: %+v", s.status("flooder"))
	t.Logf("100 answers to status: median %v, longest %v; resident %d KiB, then %d KiB", took[50], took[99], before, s.resident())
	// The bound is for the median: on a machine with other work any one answer
	// may wait for a processor.
	if took[50] > 50*time.Millisecond {
		t.Errorf("the median of 100 answers is %v, want at most 50ms", took[50])
	}
	if after := s.resident(); after > before+16<<10 {
		t.Errorf("the supervisor grew from %d KiB to %d KiB", before, after)
	}
	// It can still be stopped, and what hangs is killed when its grace is over.
	s.sallyport("stop", "hangs")
	if err := syscall.Kill(pid, 0); err == nil {
		t.Errorf("process %d is still there", pid)
	}
}
