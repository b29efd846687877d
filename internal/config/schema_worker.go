package config

import (
	"fmt"
	"strings"
	"time"
)

// common are the attributes of a worker that defaults may set as well.
var common = []attrType{
	{name: "ready_within", value: durationIn(10*time.Millisecond, time.Hour), fallback: 5 * time.Second, doc: "time from the start to ready"},
	{name: "heartbeat", value: durationIn(100*time.Millisecond, 24*time.Hour), fallback: 10 * time.Second, doc: "longest silence of a living worker"},
	{name: "proof", value: wholeNumber(1, 4), fallback: 3, doc: "level of proof of confinement without which it is granted nothing"},
	{name: "compare", value: wholeNumber(0, 1<<16), fallback: 16, doc: "one in so many grants is looked at in the worker after its receipt, at random; 1 is all, 0 none"},
}

var defaultsBlock = &blockType{
	name: "defaults", doc: "what holds for every worker that does not say otherwise",
	attrs:  common,
	blocks: []*blockType{restartBlock, limitsBlock},
}

var workerBlock = &blockType{
	name: "worker", label: "a worker", many: true, doc: "one confined process",
	attrs: append([]attrType{
		{name: "command", value: command, required: true, doc: "an absolute path, or a name beneath workers/, and arguments"},
		{name: "settings", value: settings, doc: "texts that the worker is given at its start"},
		{name: "devices", value: listOf("device names", name, false), doc: "devices granted to it"},
		{name: "directories", value: listOf("directory names", name, false), doc: "directories granted to it"},
		{name: "sockets", value: listOf("socket names", name, false), doc: "sockets granted to it"},
		{name: "policy", value: policyName, required: true, doc: "profile of the calls it may make: a built-in one by its name, or a file by a path with a slash in it (docs/policies.md)"},
		{name: "after", value: listOf("worker names", name, false), doc: "workers that are ready before it starts"},
		{name: "enabled", value: truth, fallback: true, doc: "false: checked, not started"},
		{name: "protocol", value: wholeNumber(0, 2), fallback: 2, doc: "level of the hand-over that it speaks: 2 all of it, 1 short receipts only, 0 none: it is activated by LISTEN_FDS"},
		{name: "notify", value: truth, doc: "protocol 0: it says READY=1 on NOTIFY_SOCKET; without, it is ready when it runs"},
		{name: "shim", value: truth, doc: "the program prints its values, one a line; a worker of its own sends them"},
		{name: "prints", value: settings, doc: "with shim: the values that it prints, each with its unit"},
		{name: "exec", later: true, doc: "may execute programs"},
		{name: "read_only", value: listOf("absolute paths", absolutePath, false), doc: "directories of the system that it finds in its root, to read and to execute"},
		{name: "start_grace", value: durationIn(0, time.Minute), fallback: 500 * time.Millisecond, doc: "protocol 0 and 1: how long after the last exec the calls of the profile's start block are admitted"},
		{name: "start", value: oneOf("now", "on-connect"), fallback: "now", doc: "now: with the supervisor; on-connect: when somebody connects to a socket that it listens on, and again after it has left with exit code 0"},
	}, common...),
	blocks: []*blockType{
		{name: "queue", label: "a queue", many: true, doc: "its part in a queue", attrs: []attrType{
			{name: "send", value: listOf("band names", bandName, false), doc: "bands it sends"},
			{name: "receive", value: listOf("band names", bandName, false), doc: `bands it receives, or ["*"]`},
		}},
		restartBlock, limitsBlock,
	},
}

var policyName = textOf("the name of a policy", func(s string) fault {
	if strings.ContainsRune(s, '/') {
		return checkPolicyPath(s)
	}
	if f := textFault(name, s); f != "" {
		return fault{f, "", "write the name of a built-in profile (sallyport policy list), or a path with a slash in it, as in \"./mine.policy\""}
	}
	return fault{}
})

// checkPolicyPath is about a profile in a file, which may be named from the
// directory of the configuration.
func checkPolicyPath(s string) fault {
	if !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "./") {
		return fault{fmt.Sprintf("%q is neither the name of a profile nor a path that begins with / or ./", s), "", ""}
	}
	if f := checkPath("/" + strings.TrimPrefix(strings.TrimPrefix(s, "."), "/")); f.what != "" {
		return f
	}
	if !strings.HasSuffix(s, ".policy") {
		return fault{fmt.Sprintf("%q is no file of a profile", s), "their names end in .policy", ""}
	}
	return fault{}
}

var bandName = textOf("the name of a band", func(s string) fault {
	if s == "*" {
		return fault{}
	}
	if f := textFault(name, s); f != "" {
		return fault{f, "", `write the name of a band of the queue, or "*" for all`}
	}
	return fault{}
})

// textFault says what a value type has against a text, or "".
func textFault(t valueType, s string) string {
	var r reader
	t.read(&r, literal{text: s})
	if len(r.problems) == 0 {
		return ""
	}
	return r.problems[0].What
}

var command = valueType{words: "a list of a program and its arguments", read: func(r *reader, l literal) (any, bool) {
	v, ok := listOf("a program and its arguments", argument, true).read(r, l)
	if !ok {
		return nil, false
	}
	words := v.([]word)
	if len(l.list) == 0 {
		r.fault(l.rng, fault{"the command is empty", "", `write the program, as in ["sampler"]`})
		return nil, false
	}
	if len(words) != len(l.list) {
		return nil, false
	}
	program := words[0]
	switch {
	case strings.HasPrefix(program.text, "/"):
		if f := checkPath(program.text); f.what != "" {
			r.fault(program.rng, f)
			return nil, false
		}
	case strings.Contains(program.text, "/") || program.text == "." || program.text == ".." || program.text == "":
		r.fault(program.rng, fault{fmt.Sprintf("%q is neither an absolute path nor a plain name", program.text), "a plain name is looked up in the folder workers/ beside the supervisor, never in PATH", "write the whole path, from /, or the name alone"})
		return nil, false
	}
	return words, true
}}

var argument = textOf("text", func(s string) fault {
	if strings.ContainsRune(s, 0) || len(s) > 4096 {
		return fault{"an argument holds a zero byte or more than 4096 bytes", "", "shorten it"}
	}
	return fault{}
})

// maxSettings leaves room for lanes and sensors in the record that starts a worker.
const maxSettings = 8 << 10

var settings = valueType{words: `an object of texts, as in { every = "10s" },`, read: func(r *reader, l literal) (any, bool) {
	if !r.want(l, objectLiteral, `an object of texts, as in { every = "10s" },`) {
		return nil, false
	}
	out := map[string]string{}
	total := 0
	for _, i := range l.items {
		if !r.want(i.value, textLiteral, "text") {
			continue
		}
		out[i.key] = i.value.text
		total += len(i.key) + len(i.value.text)
	}
	if total > maxSettings {
		r.fault(l.rng, fault{fmt.Sprintf("the settings have %d bytes", total), "they reach the worker in one small record", fmt.Sprintf("shorten them to %d bytes in all", maxSettings)})
		return nil, false
	}
	return out, true
}}
