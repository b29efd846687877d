package config

import (
	"fmt"
	"strconv"
)

// Kinds that are more than a text file: the parent sets them up, and the worker
// gets a descriptor for one line, one address, one chip or one serial line.

var gpioKind = &blockType{name: "gpio", attrs: []attrType{
	{name: "chip", value: chipLabel, required: true, doc: "label of the chip, as gpiodetect prints it in brackets"},
	{name: "line", value: chipLabel, doc: "name of the line, as gpioinfo prints it"},
	{name: "offset", value: wholeNumber(0, 4095), doc: "number of the line in its chip, where it has no name"},
	{name: "active_low", value: truth, fallback: false, doc: "1 is the low level"},
}}

var i2cKind = &blockType{name: "i2c", attrs: []attrType{
	{name: "bus", value: attributeText, required: true, doc: "the bus: i2c-1 where the device tree numbers it, or its adapter's name, as i2cdetect -l prints it"},
	{name: "address", value: format(`an address in quotes, as in "0x23",`, parseI2CAddress), required: true, doc: "address of the device, 7 bits"},
}}

var spiKind = &blockType{name: "spi", attrs: []attrType{
	{name: "device", value: pattern("the name of an SPI device", `spi[0-9]{1,3}\.[0-9]{1,3}`, "spi0.0"), required: true, doc: "bus and chip select"},
	{name: "mode", value: wholeNumber(0, 3), fallback: 0, doc: "clock polarity and phase"},
	{name: "speed", value: wholeNumber(1, 1<<30), required: true, doc: "highest clock, in Hz"},
	{name: "bits", value: wholeNumber(8, 32), fallback: 8, doc: "bits of a word"},
}}

var ttyKind = &blockType{name: "tty", attrs: []attrType{
	{name: "path", value: absolutePath, required: true, doc: "the serial line, best by a name under /dev/serial/by-id"},
	{name: "baud", value: wholeNumber(50, 20_000_000), required: true, doc: "symbols a second"},
	{name: "frame", value: pattern("data bits, parity and stop bits", "[5-8][NEO][12]", "8N1"), fallback: "8N1", doc: "data bits, parity (N, E, O) and stop bits"},
	{name: "write", value: truth, fallback: false, doc: "the worker may write as well"},
}}

// chipLabel has the 31 bytes that the kernel's structures keep (linux/gpio.h).
var chipLabel = pattern("a label of at most 31 characters", `[ -~]{1,31}`, "pinctrl-bcm2835")

// parseI2CAddress takes what is no reserved address (I2C specification, 3.1.12).
func parseI2CAddress(s string) (uint16, fault) {
	n, err := strconv.ParseUint(s, 0, 16)
	switch {
	case err != nil:
		return 0, fault{fmt.Sprintf("%q is no address", s), "", `write it as data sheets do, as in "0x23"`}
	case n < 0x08 || n > 0x77:
		return 0, fault{fmt.Sprintf("%q is not the address of a device", s), "addresses have 7 bits, and those below 0x08 and above 0x77 have other meanings", `write one from "0x08" to "0x77"; an address of 8 bits is twice as large, and includes the direction`}
	}
	return uint16(n), fault{}
}
