package main

import "time"

// askAgain is how long the store writes on in an old file before it asks again
// for the new one.
const askAgain = time.Minute

// days asks for the next file when the day is over.
type days struct {
	today string
	asked time.Time // when next failed last
	next  func() error
}

// dayOf is the day in UTC, which is what day files are named by.
func dayOf(now time.Time) string { return now.UTC().Format(time.DateOnly) }

// turn calls next if now is another day than that of the file in use. A clock
// that is set back is another day too.
func (d *days) turn(now time.Time) error {
	if dayOf(now) == d.today || now.Sub(d.asked).Abs() < askAgain {
		return nil
	}
	if err := d.next(); err != nil {
		d.asked = now
		return err
	}
	d.today, d.asked = dayOf(now), time.Time{}
	return nil
}
