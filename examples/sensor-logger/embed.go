package sensorlogger

import _ "embed"

// Configuration is sensor-logger.hcl.
//
//go:embed sensor-logger.hcl
var Configuration []byte
