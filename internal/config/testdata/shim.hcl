supervisor { ids = "20000-20004" }
device "clash" { file = { path = "/proc/loadavg" } }
queue "q" {
  urgent { bands = { alert = 1 } }
  routine { bands = { reading = 9 } }
}
worker "mute" {
  command  = ["mute"]
  policy   = "sensor-read"
  shim     = true
  protocol = 1
  devices  = ["clash"]
}
worker "clash" {
  command = ["clash"]
  policy  = "sensor-read"
  shim    = true
  prints  = { "a b" = "C" }
  queue "q" { send = ["reading"] }
}
worker "plain" {
  command = ["plain"]
  policy  = "sensor-read"
  prints  = { temp = "C" }
}
