device "moved" {
  file     = { path = "/proc/loadavg" }
  shared   = true
  handover = "move"
}
device "lamp" {
  sim      = {}
  output   = true
  handover = "exclusive"
}
device "alone" {
  file     = { path = "/proc/meminfo" }
  handover = "exclusive"
}
device "typo" {
  file     = { path = "/proc/stat" }
  handover = "exclusiv"
}
socket "http" {
  listen   = "tcp://127.0.0.1:80"
  handover = "move"
}
socket "broker" {
  connect  = "tcp://127.0.0.1:1883"
  handover = "lend"
}
socket "own" {
  connect  = "tcp://127.0.0.1:1884"
  handover = "exclusive"
}
worker "first" {
  command = ["first"]
  policy  = "sensor-read"
  devices = ["alone"]
  sockets = ["own", "http", "broker"]
}
worker "second" {
  command  = ["second"]
  policy   = "sensor-read"
  protocol = 1
  proof    = 4
  devices  = ["lamp"]
}
