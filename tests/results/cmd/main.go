// Command results appends a run to a file of results, for scripts:
//
//	results FILE COMMAND KEY VALUE ...
package main

import (
	"fmt"
	"os"
	"time"

	"sallyport/tests/results"
)

func main() {
	args := os.Args[1:]
	if len(args) < 2 || len(args)%2 != 0 {
		fmt.Fprintln(os.Stderr, "usage: results FILE COMMAND KEY VALUE ...")
		os.Exit(2)
	}
	r := results.Begin(args[1], time.Now())
	for i := 2; i < len(args); i += 2 {
		r.Add(args[i], args[i+1])
	}
	if err := results.Append(args[0], r); err != nil {
		fmt.Fprintln(os.Stderr, "results:", err)
		os.Exit(1)
	}
}
