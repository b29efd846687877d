// Package sensorlogger is the example: three workers that read, store and act,
// and the configuration they run under, which the demo uses as it stands.
package sensorlogger

import _ "embed"

// Configuration is sensor-logger.hcl.
//
//go:embed sensor-logger.hcl
var Configuration []byte
