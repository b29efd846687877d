package worker

// What the tests drive instead of a process of its own.
var (
	RunOn  = run
	Harden = harden
)
