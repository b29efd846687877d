device "a" {
  iio      = { name = "bme280" }
  channels = ["in_temp_input", "in_pressure_input", "in_humidityrelative_input"]
}
directory "data" {
  path = "/var/lib/x"
  mode = "append-segments"
}
queue "q" {
  urgent {
    bands = { alert = 1 }
  }
  routine {
    bands = { reading = 2 }
  }
}
worker "fits" { # 8 + 3 + 1 + bells of three receivers, its own included, + the one it reads
  command     = ["x"]
  policy      = "sensor-read"
  devices     = ["a"]
  directories = ["data"]
  queue "q" {
    send    = ["*"]
    receive = ["*"]
  }
  limits {
    open_files = 16
  }
}
socket "http" {
  listen = "tcp://127.0.0.1:80"
}
worker "one_too_many" {
  sockets     = ["http"]
  command     = ["x"]
  policy      = "sensor-read"
  devices     = ["a"]
  directories = ["data"]
  enabled     = false
  queue "q" {
    send    = ["*"]
    receive = ["alert"]
  }
  limits {
    open_files = 16
  }
}
worker "other" {
  command = ["x"]
  policy  = "sensor-read"
  queue "q" {
    receive = ["alert"]
  }
}
