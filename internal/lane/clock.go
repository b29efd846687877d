package lane

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clock returns the boot time (CLOCK_BOOTTIME, the same for every process of
// the machine and running on in suspend) and the wall clock, both in ns.
type Clock func() (boottime, wall int64)

// SystemClock is the Clock of the machine. It needs clock_gettime(2).
func SystemClock() (boottime, wall int64) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("lane: no CLOCK_BOOTTIME: " + err.Error()) // in every kernel since 2.6.39
	}
	return ts.Nano(), time.Now().UnixNano()
}
