supervisor {
  ipc_namespace = "hosts"
}
queue "apart" {
  urgent {
    bands = { alert = 1 }
    key   = 1234
  }
  routine { bands = { reading = 9 } }
}
queue "together" {
  isolation = "shared"
  urgent {
    bands = { alert = 1 }
    key   = 1235
    flood = "90% for 10s"
  }
  routine {
    bands = { reading = 9 }
    full  = "block"
    key   = 0
  }
}
worker "w" {
  command = ["w"]
  policy  = "sensor-read"
  queue "together" {
    receive = ["alert"]
  }
}
