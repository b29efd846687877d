// Package policy holds the profiles that workers run under, one file a role, and
// the groups of calls that they share. The language is that of internal/seccomp;
// every line carries its reason.
package policy

import "embed"

// Files holds NAME.policy for every profile and group.
//
//go:embed *.policy
var Files embed.FS

// Roles are the profiles that a configuration can name. The other files are
// groups, which only profiles include.
var Roles = []string{"append-only", "gpio-line", "sensor-read"}
