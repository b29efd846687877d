package kill

import "fmt"

// What a history can find. Everything else that goes wrong is an error of the
// harness or of its machine, and fails the run as well.
const (
	Lost   = "lost"
	Leaked = "leaked"
	Stuck  = "stuck"
)

// Finding is a promise that was not kept.
type Finding struct {
	Sort string
	Text string
}

func (f *Finding) Error() string { return f.Sort + ": " + f.Text }

func finding(sort, format string, args ...any) error {
	return &Finding{Sort: sort, Text: fmt.Sprintf(format, args...)}
}
