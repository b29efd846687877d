
# Part of the demo only: a worker that really calls openat("/etc/shadow").
worker "rogue" {
  command  = ["rogue"]
  policy   = "sensor-read"
  restart {
    when    = "always"
    backoff = "200ms..200ms"
    give_up = "1000 in 10m"
  }
}
