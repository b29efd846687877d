// Package survey finds the sensors of this machine and writes them as blocks of
// a configuration: thermal zones, hardware monitors, industrial I/O, 1-wire
// thermometers, GPIO chips, I2C and SPI buses, serial lines, and two values that
// every machine has.
//
// It looks into /sys, /proc and /dev and opens nothing there but text files. It
// is for the command; the supervisor opens what a configuration names and has no
// use for what else there is.
package survey
