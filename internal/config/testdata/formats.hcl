supervisor {
  ids     = "0-100"
  control = "/run/sallyport/a-name-that-is-so-long-that-the-kernel-has-no-room-for-it-in-the-address-of-a-socket/control.sock"
}
supervisor {
  ids     = "60000-70000"
  control = "sallyport.sock"
}
supervisor {
  ids = "4294967290-4294967295"
}
supervisor {
  ids = "200-100"
}
supervisor {
  ids = "20000..20099"
}
socket "a" {
  listen = "tcp://127.0.0.1"
}
socket "b" {
  listen = "tcp://127.0.0.1:0"
}
socket "c" {
  listen = "http://127.0.0.1:80"
}
socket "d" {
  connect = "unix://run/x.sock"
}
socket "e" {
  connect = "127.0.0.1:80"
}
worker "many" {
  command = ["many", 1]
  policy  = "../../etc/shadow"
  limits {
    open_files = 16
    memory     = "1000"
    tasks      = 0
  }
  restart {
    backoff = "0s..1s"
    give_up = "0 in 1m"
  }
  ready_within = "-1s"
  heartbeat    = "20000h"
  proof        = true
}
worker "rules" {
  command = []
  policy  = "p"
  restart {
    backoff = "1s"
    give_up = "5 in 0s"
  }
  limits {
    memory = "64 mib"
  }
  enabled = "true"
}
worker "arguments" {
  command = ["/usr//bin/python3", "x"]
  policy  = ["p"]
  devices = "load"
  after   = {}
  settings = {
    a = "1"
    a = "2"
  }
  restart {
    give_up = "5 in soon"
  }
  limits {
    memory = "99999999999GiB"
    cpu    = "0.5"
  }
}
queue "empty" {
  urgent {
    bands = {}
  }
}
queue "numbers" {
  isolation = "private"
  urgent {
    bands = { alert = 0, "two words" = 1 }
    bytes = "64B"
    full  = "block"
  }
  routine {
    bands = { reading = 65536, event = "5" }
    bytes = "1GiB"
  }
}
