supervisor {
  name = sensor-logger
  ids  = 20000-20099
}
device "fridge" {
  sim = { wave = "pulse", period = 10s }
}
device "light" {
  i2c = { bus = "i2c-1", address = 0x23 }
}
queue "readings" {
  routine { bands = { reading = 9 } bytes = "8KiB" }
}
worker "sampler" {
  command: ["sampler"]
  polcy = "sensor-read"
  polcy = "sensor-read"
  settings = { every = "${var.every}", path = file("/etc/shadow") }
}
