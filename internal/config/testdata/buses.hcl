device "door" {
  gpio     = { chip = "pinctrl-rp1", line = "GPIO17", offset = 17 }
  edges    = "up"
  bias     = "pull-up"
  debounce = "-1ms"
  decode   = "raw"
}
device "bell" {
  gpio = { chip = "a label that is longer than the kernel has room for" }
}
device "lamp" {
  gpio   = { chip = "pinctrl-rp1" }
  output = true
  safe   = 0
  edges  = "both"
}
device "light" {
  i2c      = { bus = "i2c-1", address = "0x23" }
  channels = ["lux"]
}
device "clock" {
  i2c = { bus = "i2c-1", address = "0xd0" }
}
device "adc" {
  spi   = { device = "/dev/spidev0.0", mode = 4, speed = "1MHz" }
  edges = "both"
}
device "gps" {
  tty    = { path = "ttyUSB0", baud = 9600, frame = "9N1" }
  output = true
  decode = "raw"
}
device "load" {
  file     = { path = "/proc/loadavg", decode = "field:0" }
  debounce = "20ms"
}
worker "w" {
  command = ["w"]
  devices = ["door"]
  policy  = "gpio-line"
}
