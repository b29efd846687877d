# Two workers in Python. They see the interpreter, its modules and this folder,
# all read-only, and nothing else; once they said HELLO they open no file at all.

supervisor {
  ids     = "20000-20099"
  waive   = ["landlock", "cgroup-memory"]
  control = "/run/sallyport/python.sock"
}

device "load" {
  file = { path = "/proc/loadavg", decode = "field:0" }
}

device "fridge" { # not real: 4 degrees, and 9 degrees for half of every second
  sim  = { wave = "pulse", period = "1s", after = "500ms", for = "500ms", min = 4, max = 9 }
  unit = "C"
}

queue "readings" {
  urgent { bands = { alert = 1 } }
  routine { bands = { reading = 9 } }
}

worker "sensor" {
  command   = ["/usr/bin/python3", "-BS", "/opt/sallyport-python/sensor.py"]
  read_only = ["/lib", "/lib64", "/usr/lib", "/opt/sallyport-python"]
  settings  = { every = "250ms", limit = "8" }
  devices   = ["load", "fridge"]
  policy    = "python-basic"
  queue "readings" { send = ["reading", "alert"] }
}

worker "display" {
  command   = ["/usr/bin/python3", "-BS", "/opt/sallyport-python/display.py"]
  read_only = ["/lib", "/lib64", "/usr/lib", "/opt/sallyport-python"]
  policy    = "python-basic"
  queue "readings" { receive = ["*"] }
}
