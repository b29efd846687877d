package config

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

const introduction = `# The configuration

A file in HCL (native syntax) or, when its name ends in .json, in HCL's JSON form: a block is an object, its name a
key, as in {"worker": {"sampler": {"command": ["sampler"], "policy": "sensor-read"}}}. A file is data: it has no
variables, functions or calculations. It has at most 256 KiB, belongs to root or to the user that starts the
supervisor, and is writable by nobody else; the same holds for its directory and for the programs of the workers.

"sallyport check FILE" finds every mistake at once; with "--host" it also opens and compiles everything on this
machine and starts nothing. "sallyport fmt FILE" brings a file into its canonical form. "sallyport explain
configuration" prints this page.

A duration is text with a unit ("500ms", "10s", "1h30m"), a size a whole number with B, KiB, MiB or GiB ("64KiB").

`

// Reference describes every block and attribute in Markdown, from the tables
// that the reader itself goes by.
func Reference() string {
	var b strings.Builder
	b.WriteString(introduction)
	for _, t := range fileBlock.blocks {
		describe(&b, t, "", "##")
	}
	return b.String()
}

// describe writes a block and then the blocks and objects inside it. What stands
// in several places is written in the first of them.
func describe(b *strings.Builder, t *blockType, within, level string) {
	title := t.name
	if t.label != "" {
		title += ` "NAME"`
	}
	fmt.Fprintf(b, "%s %s%s\n\n%s.", level, within, title, upperFirst(t.doc))
	switch {
	case t.many:
		b.WriteString(" There may be many, each with a name of its own.")
	case t.required:
		b.WriteString(" Required.")
	}
	b.WriteString("\n\n")
	if len(t.attrs) > 0 {
		b.WriteString("| attribute | value | without it | what it says |\n| --- | --- | --- | --- |\n")
	}
	for _, a := range t.attrs {
		if !a.later {
			fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", a.name, cell(valueWords(a)), without(a), cell(a.doc))
		}
	}
	b.WriteString("\n")
	for _, k := range objects(t) {
		fmt.Fprintf(b, "%s# %s%s: `%s = { ... }`\n\n", level, within, t.name, k.name)
		b.WriteString("| key | value | without it | what it says |\n| --- | --- | --- | --- |\n")
		for _, a := range k.attrs {
			fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", a.name, cell(valueWords(a)), without(a), cell(a.doc))
		}
		b.WriteString("\n")
	}
	for _, inner := range t.blocks {
		if t == workerBlock && (inner == restartBlock || inner == limitsBlock) {
			fmt.Fprintf(b, "A worker may have a block `%s` of its own; it is described under defaults.\n\n", inner.name)
			continue
		}
		describe(b, inner, within+t.name+", ", level+"#")
	}
}

// objects are the tables of a block's attributes whose value is an object.
func objects(t *blockType) []*blockType {
	var list []*blockType
	for _, a := range t.attrs {
		if a.value.object != nil && !a.later {
			list = append(list, a.value.object)
		}
	}
	return list
}

func valueWords(a attrType) string {
	if a.value.object != nil {
		return "an object, see below"
	}
	return strings.TrimSuffix(a.value.words, ",")
}

// cell makes a text fit into a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// without says what holds when an attribute is not set.
func without(a attrType) string {
	switch v := a.fallback.(type) {
	case nil:
		if a.required {
			return "required"
		}
		return ""
	case string:
		if v == "" {
			return ""
		}
		return "`" + strconv.Quote(v) + "`"
	case bool, int:
		return fmt.Sprintf("`%v`", v)
	case uint64:
		return "`" + strconv.Quote(sizeText(v)) + "`"
	case uint32:
		return fmt.Sprintf("`\"%04o\"`", v)
	case float64:
		return "`" + big.NewFloat(v).Text('g', -1) + "`"
	case time.Duration:
		return "`" + strconv.Quote(short(v)) + "`"
	case backoff:
		return fmt.Sprintf("`\"%s..%s\"`", short(v.least), short(v.most))
	case giveUp:
		return fmt.Sprintf("`\"%d in %s\"`", v.times, short(v.within))
	case Flood:
		return fmt.Sprintf("`\"%d%% for %s\"`", v.Percent, short(v.For))
	case idRange:
		return fmt.Sprintf("`\"%d-%d\"`", v.first, v.last)
	}
	panic(fmt.Sprintf("no words for the fallback of %s: %T", a.name, a.fallback))
}

// short is a duration without its zero parts: 10m, not 10m0s.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = strings.TrimSuffix(text, zero[1:])
		}
	}
	return text
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
