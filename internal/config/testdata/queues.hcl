queue "one" {
  urgent {
    bands = { alert = 1 }
    flood = "90 for 10s"
  }
  routine {
    bands = { reading = 9 }
    full  = "block"
    flood = "50% for 1m"
  }
}
queue "two" {
  urgent {
    bands = { alert = 1 }
    flood = "5% for 10s"
  }
  routine {
    bands = { reading = 9 }
    flood = "90% for 10ms"
  }
}
worker "w" {
  command = ["w"]
  policy  = "sensor-read"
}
