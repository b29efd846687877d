package policy

import "embed"

// Files holds NAME.policy for every profile and group.
//
//go:embed *.policy
var Files embed.FS

// Roles are the profiles that a configuration can name. The other files are
// groups, which only profiles include.
var Roles = []string{"append-only", "c-basic", "exec-shim", "gpio-line", "http-serve", "i2c-device", "net-client", "python-basic", "sensor-read", "serial-read", "spi-device"}
