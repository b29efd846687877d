# Every block is well formed, and they do not fit together.
supervisor {
  ids   = "20000-20002"
  waive = ["landlok"]
}

device "load" {
  file = { path = "/proc/loadavg", decode = "field:0" }
}
device "shared_load" {
  file   = { path = "/proc/loadavg", decode = "field:1" }
  shared = true
}
device "bell" {
  file = { path = "/proc/uptime", decode = "field:0" }
}
directory "load" {
  path = "/var/lib/load"
  mode = "append-segments"
}
socket "http" {
  listen  = "tcp://127.0.0.1:9130"
  connect = "tcp://127.0.0.1:9131"
}
socket "broker" {
  connect = "tcp://homeassistant.local:1883"
}

queue "readings" {
  urgent {
    bands = { alert = 6 }
  }
  routine {
    bands = { event = 5, reading = 9 }
  }
}

worker "a" {
  command = ["a"]
  policy  = "sensor-raed"
  devices = ["load", "shared_load", "fridge"]
  after   = ["c"]
  queue "readings" {
    send = ["*", "alert"]
  }
}
worker "b" {
  command     = ["bin/b"]
  policy      = "sensor-read"
  devices     = ["load", "shared_load"]
  directories = ["data"]
  sockets     = ["htttp"]
  after       = ["a"]
  queue "readings" {
  }
}
worker "c" {
  command = ["missing-program"]
  policy  = "sensor-read"
  after   = ["b"]
  limits {
    open_files = 16
  }
  directories = ["load"]
  queue "readings" {
    receive = ["*"]
    send    = ["*"]
  }
  queue "readings" {
    receive = ["*"]
  }
  settings = {}
}
worker "spare" {
  command = ["spare"]
  policy  = "sensor-read"
  devices = ["load"]
  enabled = false
}
