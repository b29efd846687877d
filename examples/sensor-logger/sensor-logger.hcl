# A small sensor logger: it reads a few values of this machine and a simulated
# fridge, stores them in one CSV file a day, and switches a lamp when the fridge
# gets warm.
#
# Three programs do the work, and each can do that one thing only. The supervisor
# opens what they need and hands it over, already open: none of them can open a
# file, use the network or start a program.
#
#   sallyport check sensor-logger.hcl     says what is wrong with this file
#   sallyport run sensor-logger.hcl       runs it (as root)

supervisor {
  name    = "sensor-logger"
  ids     = "20000-20099"                        # every worker gets a user id of its own from here
  control = "/run/sallyport/sensor-logger.sock"  # where `sallyport status` asks
  waive   = ["landlock", "cgroup-memory"]        # used where the system has them; may be missing, as on a Raspberry Pi
}

# ---- What the supervisor opens ----------------------------------------------
# A worker names a device below, never a path.

device "load" { # how busy the machine was in the last minute
  file = { path = "/proc/loadavg", decode = "field:0" }
}

device "mem" { # memory that programs could still get
  file = { path = "/proc/meminfo", decode = "key:MemAvailable", unit = "kB" }
}

device "cpu_pressure" { # share of time in which some program waited for the processor
  file     = { path = "/proc/pressure/cpu", decode = "psi:some.avg10", unit = "%" }
  optional = true # some kernels are built without it
}

device "cpu_temp" { # the processor of a Raspberry Pi, by the type of its thermal zone
  thermal  = { type = "cpu-thermal" }
  optional = true # a machine without one runs all the same, and says so
}

device "core_temp" { # the processor of most PCs, by the label of the input
  hwmon    = { name = "coretemp", input = "Package id 0" }
  optional = true
}

device "fridge" { # not real: 4 degrees, and 9 degrees for 3 of every 10 seconds
  sim  = { wave = "pulse", period = "10s", after = "2s", for = "3s", min = 4, max = 9 }
  unit = "C"
}

device "lamp" { # not real either: the worker writes 0 or 1, the supervisor looks
  sim    = {}
  output = true
  safe   = 0 # what the supervisor sets when the worker is lost
}

directory "data" { # one file a day, YYYY-MM-DD.csv; a worker can append, and nothing else
  path = "/var/lib/sensor-logger"
  mode = "append-segments"
}

# ---- How the workers talk ----------------------------------------------------
# An alert never waits behind readings: urgent messages travel apart and are
# taken first. Among them the lowest number comes first.

queue "readings" {
  isolation = "per-worker" # nobody can fill, read or forge the messages of another

  urgent {
    bands = { alert = 1, warning = 2 }
    bytes = "8KiB"
  }
  routine {
    bands = { event = 5, reading = 9 }
    bytes = "16KiB"
    full  = "drop-new" # and count it; the sampler never waits for a slow receiver
    flood = "90% for 10s" # so full for so long: throttled, then revoked, then quarantined
  }
}

# ---- The workers ---------------------------------------------------------------
# `command` is a program in the folder workers/ beside the supervisor; `policy` is
# the list of system calls that it may make; `settings` reach the program as text.

worker "sampler" { # reads, and says when the fridge is warm
  command  = ["sampler"]
  settings = { every = "250ms", alert = "fridge > 8" }
  devices  = ["load", "mem", "cpu_pressure", "cpu_temp", "core_temp", "fridge"]
  policy   = "sensor-read"

  queue "readings" {
    send = ["reading", "alert"]
  }
}

worker "store" { # appends what it hears to the day's file, every 5 seconds, for the card's sake
  command     = ["store"]
  settings    = { batch = "5s" }
  directories = ["data"]
  policy      = "append-only"

  queue "readings" {
    receive = ["*"] # every receiver gets its own copy
  }
}

worker "alarm" { # lamp on at an alert, off again 2 seconds later
  command  = ["alarm"]
  settings = { hold = "2s" }
  devices  = ["lamp"]
  policy   = "gpio-line"

  queue "readings" {
    receive = ["*"]
  }
}

# ---- What holds for every worker that does not say otherwise -------------------

defaults {
  restart {
    when    = "on-failure"   # always, on-failure or never
    backoff = "200ms..30s"   # wait that long before a new start, doubling each time
    give_up = "5 in 10m"     # five failures in ten minutes: stay down, and say so
  }
  limits {
    memory     = "64MiB"
    tasks      = 16          # threads, for a program in Go
    open_files = 64
  }
  ready_within = "5s"        # a worker that is not ready by then is ended
  heartbeat    = "10s"       # so is one that has been silent for so long
  proof        = 3           # nothing is handed over before its confinement is proved
}
