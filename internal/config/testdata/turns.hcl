# When workers start: after whom, on what.
socket "out" { connect = "tcp://127.0.0.1:1883" }
worker "one" {
  command = ["one"]
  policy  = "sensor-read"
  after   = ["one", "tow", "off"]
}
worker "two" {
  command = ["two"]
  policy  = "sensor-read"
  start   = "on-connect"
  sockets = ["out"]
}
worker "three" {
  command = ["three"]
  policy  = "sensor-read"
  start   = "on-conect"
}
worker "off" {
  command = ["off"]
  policy  = "sensor-read"
  enabled = false
}
