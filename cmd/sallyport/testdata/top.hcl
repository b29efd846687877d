supervisor {
  ids     = "20000-20009"
  control = "WORK/op.sock"
  waive   = ["landlock", "cgroup-memory"]
}
device "sine" {
  sim  = { wave = "sine", period = "2s", min = -5, max = 40 }
  unit = "C"
}
directory "data" {
  path = "WORK/data"
  mode = "append-segments"
}
queue "readings" {
  urgent { bands = { alert = 1 } }
  routine { bands = { reading = 9 } }
}
worker "reader" {
  command  = ["worker", "read"]
  settings = { every = "50ms" }
  devices  = ["sine"]
  policy   = "sensor-read"
  queue "readings" { send = ["reading", "alert"] }
}
worker "store" {
  command     = ["store"]
  directories = ["data"]
  policy      = "append-only"
  queue "readings" { receive = ["*"] }
}
