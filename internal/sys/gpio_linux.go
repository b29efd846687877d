package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests on a GPIO line, from linux/gpio.h; the number holds the size of the
// structure, 16 bytes.
const (
	gpioGetValues = 0xc010b40e // GPIO_V2_LINE_GET_VALUES_IOCTL
	gpioSetValues = 0xc010b40f // GPIO_V2_LINE_SET_VALUES_IOCTL
)

// gpioValues is struct gpio_v2_line_values: a bit each for the lines of a request.
type gpioValues struct{ bits, mask uint64 }

// GPIOValue asks for the logical value of the first line of a request: 0 or 1. The
// error is ENOTTY when fd is no requested line, ENODEV when its chip has gone.
func GPIOValue(fd int) (int, error) {
	v := gpioValues{mask: 1}
	err := gpioCall(fd, gpioGetValues, &v)
	return int(v.bits & 1), err
}

// GPIOSetValue sets the first line of a request; EPERM says that it is an input.
func GPIOSetValue(fd, value int) error {
	return gpioCall(fd, gpioSetValues, &gpioValues{bits: uint64(value & 1), mask: 1})
}

func gpioCall(fd int, request uintptr, v *gpioValues) error {
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(v)))
		switch e {
		case 0:
			return nil
		case unix.EINTR:
			continue
		}
		return e
	}
}
