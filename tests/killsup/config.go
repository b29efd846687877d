package killsup

import (
	"fmt"
	"os"
	"path/filepath"
)

// workers are those of the configuration, each with what it must hold beside
// its standard streams, its channel and the poller: %s of /proc/PID/fd.
var workers = []struct {
	name   string
	shared []string // open files of the supervisor
	moved  []string // of nobody else: moved, or exclusive
	bells  int      // pipes
}{
	{"sampler", []string{"/proc/loadavg"}, []string{"/memfd:sim:sine", "/memfd:sim:fridge"}, 3},
	{"store", nil, []string{".csv"}, 1},
	{"alarm", []string{"/memfd:sim:lamp"}, nil, 1},
}

// configuration is a sensor logger in a hurry: a round of readings each 2 ms, an
// alert each 200 ms, and a new start at once.
const configuration = `
supervisor {
  name    = "kill"
  ids     = "%[2]d-%[3]d"
  waive   = ["landlock", "cgroup-memory"]
  control = "%[1]s/control"
}
device "load" { file = { path = "/proc/loadavg", decode = "field:0" } }
device "sine" {
  sim      = { wave = "sine", period = "1s", min = 18, max = 26 }
  handover = "move"
}
device "fridge" {
  sim      = { wave = "pulse", period = "200ms", after = "20ms", for = "100ms", min = 4, max = 9 }
  handover = "exclusive"
}
device "lamp" {
  sim      = {}
  output   = true
  safe     = 0
  handover = "lend"
}
directory "data" {
  path = "%[1]s/data"
  mode = "append-segments"
}
queue "readings" {
  urgent {
    bands = { alert = 1, warning = 2 }
  }
  routine {
    bands = { event = 5, reading = 9 }
  }
}
worker "sampler" {
  command  = ["sampler"]
  settings = { every = "2ms", alert = "fridge > 8" }
  devices  = ["load", "sine", "fridge"]
  policy   = "sensor-read"
  proof    = 4
  compare  = 1
  queue "readings" { send = ["reading", "alert"] }
}
worker "store" {
  command     = ["store"]
  settings    = { batch = "5ms" }
  directories = ["data"]
  policy      = "append-only"
  queue "readings" { receive = ["*"] }
}
worker "alarm" {
  command  = ["alarm"]
  settings = { hold = "50ms" }
  devices  = ["lamp"]
  policy   = "gpio-line"
  queue "readings" { receive = ["*"] }
}
defaults {
  restart {
    when    = "always"
    backoff = "1ms..2ms"
    give_up = "65535 in 1s"
  }
  limits {
    tasks = 128 # the kernel counts those of a user, and lanes of other tests may have the same
  }
  ready_within = "20s"
  heartbeat    = "1m"
}
`

// writeConfig puts the configuration into dir, which is to be the lane's alone,
// as its first user id is.
func writeConfig(dir string, ids int) (file string, err error) {
	file = filepath.Join(dir, "kill.hcl")
	return file, os.WriteFile(file, fmt.Appendf(nil, configuration, dir, ids, ids+idsOfLane-1), 0o600)
}

// Users of the lanes: so many each, from the first.
const (
	firstID   = 24000
	idsOfLane = 16
)
