// Package i2c has tests only, for the amd64 machine of `make machine`, whose kernel
// has the module i2c-stub: a bus with a device at some addresses, which the real
// driver i2c-dev gives to programs.
package i2c
