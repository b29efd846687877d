// Package config reads the file that says what the supervisor opens, which
// workers it runs, and who gets what.
//
// The language is HCL's native syntax, or its JSON form in a file whose name ends
// in .json, used as data: a value is a literal.
// There are no variables, functions, calculations or includes, so that reading
// a file can neither run for long nor look anywhere else. Parse returns either
// a Config in which everything holds that can be known without looking at the
// machine, or Problems: all of them at once, each with its place, its source
// line, what is wrong, why, and what to type instead.
//
//	c, err := config.Parse("sensor-logger.hcl", src)
//	var problems config.Problems
//	if errors.As(err, &problems) {
//		for _, p := range problems {
//			fmt.Fprintln(os.Stderr, p)
//		}
//	}
//
// What may stand in a file is said once, in the tables of schema.go: the reader,
// the suggestions and the defaults come from them, and a reference page can.
//
// Load and Binary add the rules of ownership: whoever can write the file, its
// directory or a worker's executable is as good as root, so nobody but root, the
// supervisor's own user and the users that the caller names may. They are checked
// on the opened descriptor, never on a path that may point elsewhere a moment later.
//
// Who should not use it: workers. It is linked into the privileged parent and into
// the command, and knows neither devices (package device opens them) nor policies
// (the caller passes their names in Rules).
//
// Limits: a file has at most 256 KiB and 32 levels of brackets; at most 100
// problems are listed.
package config
