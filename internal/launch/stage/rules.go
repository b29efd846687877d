package stage

import (
	"fmt"

	"sallyport/internal/landlock"
)

// rules makes the Landlock rules while there are descriptors to make them with:
// the executable and what it executes in its turn, which no path leads to any
// more, and what the root shows.
func rules(o *Order) error {
	if o.Landlock == 0 {
		return nil
	}
	r, err := landlock.New(o.Landlock)
	if err != nil {
		return err
	}
	if err := r.File(ExecFD); err != nil {
		return fmt.Errorf("executable: %w", err)
	}
	if o.Program {
		if err := r.File(SecondFD); err != nil {
			return fmt.Errorf("program: %w", err)
		}
	}
	for _, p := range o.ReadOnly {
		if err := r.Beneath(p); err != nil {
			return fmt.Errorf("read_only: %w", err)
		}
	}
	o.rules = r
	return nil
}

// restrict puts this thread under the rules. It needs no_new_privs.
func restrict(o *Order) error {
	if o.rules == nil {
		return nil
	}
	return o.rules.Restrict()
}
