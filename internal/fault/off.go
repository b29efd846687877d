//go:build !fault

package fault

import "errors"

// Enabled says whether this build has failpoints.
const Enabled = false

// Point marks the step name of the protocol. In this build it does nothing.
func Point(name string) {}

// On says whether the switch name is on. In this build none is.
func On(name string) bool { return false }

// Hits is the number of times that the point or switch was reached. In this
// build nothing is counted.
func Hits(name string) int { return 0 }

// Heir is what the environment of a worker's next process is to have besides.
// In this build that is nothing.
func Heir(name string) []string { return nil }

// Plan replaces the plan. This build can follow none.
func Plan(text string) error {
	if text == "" {
		return nil
	}
	return errors.New("built without failpoints (the build tag is \"fault\")")
}
