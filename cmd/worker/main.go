// The worker command is what runs on the unprivileged side: `worker stage`
// turns itself into a confined worker, `worker read` is a ready-made one.
package main

import (
	"fmt"
	"os"

	"sallyport/internal/launch/stage"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "worker: want `worker stage` or `worker read`; both are started by the supervisor")
		os.Exit(2)
	}
	switch os.Args[1] {
	case "stage":
		os.Exit(stage.Run())
	default:
		fmt.Fprintf(os.Stderr, "worker: no mode %q\n", os.Args[1])
		os.Exit(2)
	}
}
