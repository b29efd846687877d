device "two" {
  file    = { path = "/proc/loadavg" }
  thermal = { type = "cpu-thermal" }
}
device "a_name_that_is_much_longer_than_32" {
  w1 = { id = "28-00000A9AE2C7" }
}
device "air" {
  iio      = { name = "bme280" }
  channels = ["in_temp_input", "../../../etc/shadow", "in_humidityrelative_input", "in_temp_input"]
}
device "humidity_of_the_cellar" {
  iio      = { name = "bme280" }
  channels = ["in_temp_input", "in_humidityrelative_input"]
}
device "dry" {
  iio = { name = "bme280" }
}
device "board" {
  hwmon    = { name = "nct6775", input = "temp1" }
  channels = ["temp1", "fan1"]
  safe     = 1
  output   = true
}
device "backwards" {
  sim = { wave = "sine", period = "30s", min = 26, max = 18, after = "2s" }
}
device "late" {
  sim = { wave = "pulse", period = "10s", after = "8s", for = "3s", min = 4, max = 9 }
}
device "short" {
  sim = { wave = "puls", period = "1ms", min = -1e300, max = "9" }
}
device "bare" {
  sim = {}
}
device "lamp" {
  sim    = { wave = "sine" }
  output = true
  safe   = 2
  unit   = "degrees C"
  decode = "raw"
}
device "again" {
  file   = { path = "/proc/loadavg", decode = "field:0", unit = null }
  decode = "field:1"
  spi    = { bus = 0 }
}
device unquoted {
  file {
    path = "/proc/loadavg"
  }
}
device {
  file = { path = "/proc/loadavg" }
}
