// Command worker is what runs on the unprivileged side. `worker read` is a
// ready-made worker, which the configuration names as command = ["worker",
// "read"]; `worker shim` sends what a program prints (shim = true); `worker stage` is what the supervisor starts to become a confined
// worker, and of no use to anyone else.
package main

import (
	"fmt"
	"os"

	"sallyport/internal/launch/stage"
	"sallyport/pkg/worker"
)

func main() {
	verb := ""
	if len(os.Args) >= 2 {
		verb = os.Args[1]
	}
	switch {
	case verb == "launcher" && len(os.Args) > 2:
		os.Exit(launcher(os.Args[2:]))
	case verb == "shim":
		worker.Run(shim) // the program's name and arguments are for ps
		return
	case len(os.Args) != 2:
		verb = ""
	}
	switch verb {
	case "read":
		worker.Run(read)
	case "stage":
		os.Exit(stage.Run())
	default:
		fmt.Fprintln(os.Stderr, "usage: worker read   send every granted value; the supervisor starts it, see: sallyport demo")
		os.Exit(2)
	}
}
