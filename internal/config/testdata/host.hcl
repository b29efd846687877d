supervisor {
  ipc_namespace = "host"
}
queue "apart" {
  urgent { bands = { alert = 1 } }
  routine { bands = { reading = 9 } }
}
queue "together" {
  isolation = "shared"
  urgent {
    bands = { alert = 1 }
    key   = 1235
  }
  routine {
    bands = { reading = 9 }
    key   = 1235
  }
}
worker "w" {
  command = ["w"]
  policy  = "sensor-read"
  queue "together" { receive = ["*"] }
}
