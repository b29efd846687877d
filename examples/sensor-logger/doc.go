// Package sensorlogger is the example: three workers that read, store and act,
// and the configuration they run under, which the demo uses as it stands.
package sensorlogger
