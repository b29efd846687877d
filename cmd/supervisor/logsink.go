package main

import (
	"fmt"
	"strings"

	"github.com/hashicorp/go-hclog"

	"sallyport/internal/control"
)

// logSink gives every line of the log to those who follow it over the control
// socket. What a worker printed is quoted already.
type logSink struct{ hub *control.Hub }

// Accept is called by the logger for every line of any level.
func (k logSink) Accept(name string, level hclog.Level, msg string, args ...any) {
	if level < hclog.Info {
		return // those who debug read the log itself
	}
	_, worker, _ := strings.Cut(name, ".")
	k.hub.Publish(control.Log{Level: level.String(), Worker: worker, Text: logText(msg, args)})
}

// logText is `ready: pid=17 epoch=1`.
func logText(msg string, args []any) string {
	var b strings.Builder
	b.WriteString(msg)
	for i := 0; i+1 < len(args); i += 2 {
		if i == 0 {
			b.WriteByte(':')
		}
		value := fmt.Sprint(args[i+1])
		if strings.ContainsAny(value, " \t\n\"") {
			value = fmt.Sprintf("%q", value)
		}
		fmt.Fprintf(&b, " %v=%s", args[i], value)
	}
	return b.String()
}
