# Many mistakes of the kind that people make, in one file.
supervisr {
  name = "x"
}

device "cpu_temp" {
  thermal = { typ = "cpu-thermal" }
}
device "load" {
  file  = { path = "/proc/loadavg", decode = "feild:0" }
  units = "C"
}
device "mem" {
  file = { path = "proc/meminfo", decode = "key:MemAvailable" }
}
device "door" {
  gpio = { chip = "pinctrl-rp1", line = "GPIO17" }
  edges = "both"
}
device "load" {
  file = { path = "/proc/loadavg" }
}
device "none" {
  optional = yes
}

directory "data" {
  path = "/var/lib/../lib/sensor-logger"
  mode = append-segments
}

queue "readings" {
  isolation = "shared"
  urgent {
    bands = { alert = 1, warning = 7 }
    bytes = "8KB"
  }
  routine {
    bands = { event = 5, reading = 7, alert = 9 }
    bytes = 8192
    full  = "drop-old"
  }
}

worker "sampler" {
  command  = "sampler"
  settings = { every = 10 }
  devices  = ["cpu_tmp", "load", "lode"]
  polcy    = "sensor-read"
  memory   = "64MiB"
  queue "reading" {
    send = ["reading"]
  }
  queue "readings" {
    send = ["readng", "alert", "alert"]
  }
  restart = { when = "allways" }
}

worker "store" {
  command = ["store"]
  policy  = "appendonly"
  devices = ["load"]
  after   = ["store", "sampeler"]
  limits {
    open_files = 1000
    tasks      = 1.5
  }
  restart {
    when    = "allways"
    backoff = "30s..200ms"
    give_up = "5 times in 10m"
  }
  ready_within = "5 s"
  heartbeat    = 10
  proof        = 5
  exec         = "open"
}
