// Package device opens what the configuration names, for the privileged parent to
// hand over.
//
// A device is found by what it says of itself (type, name, label, id), never by
// its number, which changes from boot to boot. What a worker gets is one
// descriptor a value, opened for reading only: no path, no directory, and nothing
// that could be turned into something else. Every descriptor is opened in two
// steps: first as a mere reference, which is judged (a regular file, on sysfs where
// it must be), then the judged object itself.
//
//	d, err := device.Open(conf, device.Options{})
//	if errors.Is(err, device.ErrAbsent) && conf.Optional {
//		// degraded
//	}
//	defer d.Close()
//	for _, o := range d.Opened() {
//		// offer o.File under o.Name
//	}
//
// A line of a GPIO chip, an I2C address, a chip on an SPI bus and a serial line are
// set up here, so that their workers need no request to do it: direction, edges
// and bias, address, mode and clock, speed. The line's descriptor is granted and
// never the chip's. See Drivers for the requests.
//
// A simulated input is a sealed memfd that Step rewrites; a simulated output is
// one that the worker writes and Value reads. Segment opens the day file of a
// directory, with its last line repaired.
//
// Limits: attributes are text of at most 4 KiB. A device of which there are two
// with the same name is refused, as nothing says which is meant.
package device
