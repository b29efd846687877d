package config

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"sallyport/internal/reading"
)

// blockType is one row of the language: a block, what may stand in it, and what
// holds when it does not.
type blockType struct {
	name     string
	label    string // what its label names; "" for a block without
	many     bool
	required bool
	doc      string
	attrs    []attrType
	blocks   []*blockType
}

// attrType is one attribute. fallback is its value when the file does not set it;
// later marks what the language has and this version does not.
type attrType struct {
	name     string
	value    valueType
	required bool
	later    bool
	fallback any
	doc      string
}

func (t *blockType) attr(name string) *attrType {
	for i := range t.attrs {
		if t.attrs[i].name == name {
			return &t.attrs[i]
		}
	}
	return nil
}

func (t *blockType) block(name string) *blockType {
	for _, b := range t.blocks {
		if b.name == name {
			return b
		}
	}
	return nil
}

// names lists what may stand in the block.
func (t *blockType) names() []string {
	var names []string
	for _, a := range t.attrs {
		if !a.later {
			names = append(names, a.name)
		}
	}
	for _, b := range t.blocks {
		names = append(names, b.name)
	}
	return names
}

const (
	maxName  = 32 // of blocks: short enough to be part of a grant's name
	maxGrant = 47 // bytes of a name in an offer
	maxUnit  = 8  // bytes of a unit in a frame of the bus
)

var (
	name    = pattern("a name of letters, digits, _ and - that begins with a letter and has at most 32", fmt.Sprintf(`[A-Za-z][A-Za-z0-9_-]{0,%d}`, maxName-1), "cpu_temp")
	anyText = textOf("text", func(s string) fault {
		switch {
		case s == "":
			return fault{"this is empty", "", "write something"}
		case strings.ContainsRune(s, 0):
			return fault{"this text holds a zero byte", "", "remove it"}
		case len(s) > 4096:
			return fault{"this text is longer than 4096 bytes", "", "shorten it"}
		}
		return fault{}
	})
	absolutePath = textOf("an absolute path", checkPath)
	unit         = textOf("a unit", func(s string) fault {
		if len(s) > maxUnit || strings.ContainsAny(s, ",\"\n\r\x00") || !utf8.ValidString(s) {
			return fault{fmt.Sprintf("%q is not a unit", s), "a unit travels with every reading in 8 bytes and stands in a column of CSV", `write a short one, as in "C", "%" or "kPa"`}
		}
		return fault{}
	})
	decode = textOf("a decode form", func(s string) fault {
		if _, err := reading.ParseDecode(s); err != nil {
			return fault{err.Error(), "", `as in "field:0", "key:MemAvailable", "psi:some.avg10", "milli"`}
		}
		return fault{}
	})
)

// fileBlock is the file itself.
var fileBlock = &blockType{
	doc:    "a configuration",
	blocks: []*blockType{supervisorBlock, deviceBlock, socketBlock, directoryBlock, queueBlock, workerBlock, defaultsBlock},
}

var supervisorBlock = &blockType{
	name: "supervisor", doc: "the privileged parent",
	attrs: []attrType{
		{name: "name", value: name, doc: "name in messages; without it, the file's name"},
		{name: "ids", value: format(`a range of ids, as in "20000-20099",`, parseIDs), fallback: idRange{20000, 20099}, doc: "pool of user and group ids; every worker gets its own"},
		{name: "control", value: textOf("an absolute path", func(s string) fault { _, f := parseAddress("unix://" + s); return f }), doc: "path of the control socket; without it, /run/sallyport/NAME.sock"},
		{name: "ipc_namespace", value: oneOf("private", "host"), fallback: "private", doc: "where the queues are: host is the machine's own, for shared queues that other programs join"},
		{name: "waive", value: listOf("protections", anyText, false), doc: "protections that may be missing on this machine"},
	},
}

var socketBlock = &blockType{
	name: "socket", label: "a socket", many: true, doc: "a listener or a connection that the parent makes",
	attrs: []attrType{
		{name: "listen", value: format("an address", parseAddress), doc: "address to listen on"},
		{name: "connect", value: format("an address", parseAddress), doc: "literal address to connect to"},
		{name: "mode", value: format(`an octal mode in quotes, as in "0666",`, parseMode), fallback: uint32(0o600), doc: "who may connect to a unix:// socket that is listened on"},
		{name: "handover", value: handover, doc: "of a listener share or lend, of a connection move or exclusive; the first of the two without it"},
	},
}

var directoryBlock = &blockType{
	name: "directory", label: "a directory", many: true, doc: "a place whose files the parent opens for a worker",
	attrs: []attrType{
		{name: "path", value: absolutePath, required: true, doc: "where it is; the worker is never told"},
		{name: "mode", value: oneOf("append-segments"), required: true, doc: "append-segments: one file a day, which the worker can only append to"},
	},
}

var queueBlock = &blockType{
	name: "queue", label: "a queue", many: true, doc: "System V lanes between senders and receivers",
	attrs: []attrType{
		{name: "isolation", value: oneOf("per-worker", "shared"), fallback: "per-worker", doc: "per-worker: a lane for each sender and receiver; shared: one pair for all, each message to one of the receivers"},
	},
	blocks: []*blockType{
		{name: "urgent", required: true, doc: "drained first", attrs: []attrType{
			{name: "bands", value: bands, required: true, doc: "name and message type of each band; 1 is the most urgent"},
			{name: "bytes", value: laneSize, fallback: uint64(8 << 10), doc: "room of one lane"},
			keyAttr,
			floodAttr,
		}},
		{name: "routine", required: true, doc: "drained when no urgent lane holds anything", attrs: []attrType{
			{name: "bands", value: bands, required: true, doc: "name and message type of each band"},
			{name: "bytes", value: laneSize, fallback: uint64(8 << 10), doc: "room of one lane"},
			keyAttr,
			{name: "full", value: oneOf("drop-new", "block"), fallback: "drop-new", doc: "what a sender does when the lane is full"},
			floodAttr,
		}},
	},
}

var keyAttr = attrType{name: "key", value: wholeNumber(1, math.MaxInt32), fallback: 0,
	doc: "of a shared queue in the machine's IPC namespace: the key under which other programs find it"}

var floodAttr = attrType{name: "flood", value: format(`a rule as in "90% for 10s"`, parseFlood), fallback: Flood{90, 10 * time.Second},
	doc: `how full a lane must be for how long, behind a receiver that takes, until its sender is throttled, then revoked, then quarantined; "never" with full = "block"`}

var laneSize = sizeIn(1<<10, 16<<20, "a lane holds frames of 64 and 256 bytes in the kernel's memory")

// band is one row of a bands object.
type band struct {
	name   string
	number uint16
	rng    hcl.Range
}

var bands = valueType{words: "an object of band names and numbers", read: func(r *reader, l literal) (any, bool) {
	if !r.want(l, objectLiteral, "an object of band names and numbers") {
		return nil, false
	}
	number := wholeNumber(1, 65535)
	var out []band
	for _, i := range l.items {
		if _, ok := name.read(r, literal{text: i.key, rng: i.rng}); !ok {
			continue
		}
		if n, ok := number.read(r, i.value); ok {
			out = append(out, band{i.key, uint16(n.(int)), i.rng})
		}
	}
	if len(l.items) == 0 {
		r.fault(l.rng, fault{"there is no band", "a lane without bands carries nothing", "write one, as in { alert = 1 }"})
	}
	return out, len(out) > 0
}}

// restartBlock and limitsBlock stand in a worker and in defaults.
var restartBlock = &blockType{
	name: "restart", doc: "what happens when the worker ends",
	attrs: []attrType{
		{name: "when", value: oneOf("always", "on-failure", "never"), fallback: "on-failure", doc: "which ends are followed by a new start"},
		{name: "backoff", value: format(`a backoff, as in "200ms..30s",`, parseBackoff), fallback: backoff{200 * time.Millisecond, 30 * time.Second}, doc: "wait before the next start: from, doubling, up to"},
		{name: "give_up", value: format(`a rule as in "5 in 10m"`, parseGiveUp), fallback: giveUp{5, 10 * time.Minute}, doc: "failures within a time after which it stays down"},
	},
}

var limitsBlock = &blockType{
	name: "limits", doc: "what the worker may use of the machine",
	attrs: []attrType{
		{name: "memory", value: sizeIn(1<<20, 1<<40, "a program needs some memory"), fallback: uint64(64 << 20), doc: "memory; a program in Go needs 64MiB"},
		{name: "tasks", value: wholeNumber(1, 4096), fallback: 16, doc: "processes and threads"},
		{name: "cpu", value: format(`a share as in "50%"`, parseCPU), fallback: uint32(0), doc: "time of a processor; more than 100% is more than one. Without, as much as there is"},
		{name: "open_files", value: wholeNumber(16, 256), fallback: 64, doc: "descriptors, granted ones included"},
	},
}
