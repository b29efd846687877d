supervisor {
  name = "levels"
}
socket "door" {
  listen = "tcp://127.0.0.1:80"
  mode   = "0666"
}
socket "hatch" {
  listen = "unix:///run/x.sock"
  mode   = "rw"
}
directory "data" {
  path = "/var/lib/x"
  mode = "append-segments"
}
queue "readings" {
  urgent {
    bands = { alert = 1 }
  }
  routine {
    bands = { reading = 9 }
  }
}
worker "full" {
  command     = ["full"]
  policy      = "sensor-read"
  notify      = true
  start_grace = "1s"
}
worker "small" {
  command   = ["small"]
  policy    = "sensor-read"
  protocol  = 1
  notify    = true
  heartbeat = "3s"
  settings  = { every = "1s" }
}
worker "plain" {
  command     = ["/usr/sbin/plain"]
  policy      = "sensor-read"
  protocol    = 0
  heartbeat   = "3s"
  directories = ["data"]
  read_only   = ["/lib", "/proc", "lib64"]
  queue "readings" {
    send = ["reading"]
  }
}
worker "late" {
  command     = ["/usr/sbin/late"]
  policy      = "sensor-read"
  protocol    = 3
  start_grace = "2h"
}
