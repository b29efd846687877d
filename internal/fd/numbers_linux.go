package fd

import (
	"slices"

	"golang.org/x/sys/unix"
)

// CloseNumbers closes numbers that were released to the caller; it sorts them.
// Numbers in a row go with one close_range(2): every one of them is the
// caller's and open until the kernel comes to it, from the lowest up, so that a
// number which another thread is given meanwhile is always behind. What single
// closes would report is lost, as with every close_range.
func CloseNumbers(numbers []int) {
	slices.Sort(numbers)
	for len(numbers) > 0 {
		run := 1
		for run < len(numbers) && numbers[run] == numbers[0]+run {
			run++
		}
		first, last := numbers[0], numbers[run-1]
		// Linux 5.9; before that, one at a time.
		if run == 1 || unix.CloseRange(uint(first), uint(last), 0) != nil {
			for n := first; n <= last; n++ {
				_ = unix.Close(n)
			}
		}
		numbers = numbers[run:]
	}
}
