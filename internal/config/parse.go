package config

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

const (
	maxFile  = 256 << 10 // bytes; a worker and its devices take about 300
	maxDepth = 32        // brackets within brackets; the example has 4
	maxSigns = 64        // "-", "!" and "?" in one value: the parser calls itself for each
)

// Rules is what a caller knows and this package does not. The zero value checks
// all that the file says by itself.
type Rules struct {
	Policies []string // names of profiles; nil: any name passes
	// Profile judges the profile of a worker, and whether it fits what the worker is
	// granted; nil: not looked at.
	Profile func(c *Config, w *Worker) []Objection
	Waivers []string                   // protections that can be waived; nil: any
	Command func(program string) error // whether the program is there; nil: not looked at
	// Interpreter gives the ELF interpreter of a program that Command found, "" for
	// a static one; nil: not looked at.
	Interpreter func(program string) (string, error)
	Owners      []uint32 // user ids that may own the file, beside root and the supervisor's own
}

// Objection is what somebody else has against the policy of a worker, or against
// a name in one of its lists: devices, directories, sockets.
type Objection struct {
	What, Why, Fix string
	List, Name     string // "": the policy
}

// reader collects problems while it goes through one file.
type reader struct {
	file     string
	src      []byte
	lines    [][]byte
	root     *blockType
	where    string // block that is read now
	broken   bool   // the syntax is at fault, so what is missing may be there
	problems Problems
}

// Parse reads a configuration with no rules but its own. The error is Problems.
func Parse(filename string, src []byte) (*Config, error) { return Rules{}.Parse(filename, src) }

// Parse reads a configuration. The error is Problems: all of them, in the order
// of the file; there is no Config then. filename appears in places only.
func (rules Rules) Parse(filename string, src []byte) (*Config, error) {
	r := &reader{file: filename, src: src, root: fileBlock}
	if len(src) > maxFile {
		return nil, tooLarge(filename, int64(len(src)))
	}
	r.lines = bytes.Split(src, []byte("\n"))
	var body *hclsyntax.Body
	if isJSON(filename) {
		body = r.parseJSON()
	} else {
		if !r.bounded() {
			return nil, r.problems
		}
		body = r.parse()
	}
	if body == nil {
		return nil, r.problems.sorted()
	}
	top := newNode(fileBlock, "", hcl.Range{Start: hcl.InitialPos}, "")
	r.body(body, top)
	c := r.build(top)
	if !r.broken {
		r.check(top, c, rules)
	}
	if len(r.problems) > 0 {
		return nil, r.problems.sorted()
	}
	c.Source = string(src)
	c.splitShims(prints(top))
	if rules.Profile != nil {
		r.checkProfiles(top.all("worker"), c, rules)
	}
	if len(r.problems) > 0 {
		return nil, r.problems.sorted()
	}
	return c, nil
}

// Syntax reads a file of the native form no further than its syntax. It returns
// nil or Problems.
func Syntax(filename string, src []byte) error {
	r := &reader{file: filename, src: src, root: fileBlock}
	if len(src) > maxFile {
		return tooLarge(filename, int64(len(src)))
	}
	r.lines = bytes.Split(src, []byte("\n"))
	if r.bounded() {
		r.parse()
	}
	if len(r.problems) > 0 {
		return r.problems.sorted()
	}
	return nil
}

// prints are the values of the workers with a shim, by their numbers.
func prints(top *node) map[uint32]map[string]string {
	out := map[uint32]map[string]string{}
	for i, n := range top.all("worker") {
		if get[bool](n.t, "shim", n) {
			out[uint32(i+1)] = get[map[string]string](n.t, "prints", n)
		}
	}
	return out
}

func tooLarge(filename string, size int64) Problems {
	return Problems{{Pos: Pos{File: filename}, What: fmt.Sprintf("the file has %d bytes", size), Why: fmt.Sprintf("the privileged parent reads at most %d KiB", maxFile>>10), Fix: "make it smaller"}}
}

// bounded refuses what would make the parser call itself without a limit: a Go
// program cannot survive the end of its stack.
func (r *reader) bounded() bool {
	tokens, _ := hclsyntax.LexConfig(r.src, r.file, hcl.InitialPos)
	depth, signs := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc:
			depth = max(0, depth-1)
		case hclsyntax.TokenBang, hclsyntax.TokenQuestion, hclsyntax.TokenMinus:
			signs++
		case hclsyntax.TokenEqual: // not a newline: within brackets the parser skips it
			signs = 0
		}
		if depth > maxDepth || signs > maxSigns {
			r.fault(t.Range, fault{"this is nested too deeply", fmt.Sprintf("no configuration needs more than %d brackets within each other", maxDepth), "look for a bracket that is not closed"})
			return false
		}
	}
	return true
}

// parse returns the syntax tree, or as much of it as there is.
func (r *reader) parse() (body *hclsyntax.Body) {
	defer func() {
		if cause := recover(); cause != nil {
			r.problems = append(r.problems, Problem{Pos: Pos{File: r.file}, What: "the parser gave up on this file", Why: fmt.Sprint(cause)})
			body = nil
		}
	}()
	file, diags := hclsyntax.ParseConfig(r.src, r.file, hcl.InitialPos)
	body, _ = file.Body.(*hclsyntax.Body)
	for _, d := range diags {
		r.broken = true
		if r.full() {
			break
		}
		rng := hcl.Range{Start: hcl.InitialPos}
		if d.Subject != nil {
			rng = *d.Subject
		}
		r.where = enclosing(body, rng.Start)
		r.fault(rng, fault{lowerFirst(d.Summary), d.Detail, r.syntaxFix(rng.Start.Line)})
	}
	r.where = ""
	return body
}

var (
	bareUnit  = regexp.MustCompile(`=\s*(0x[0-9A-Fa-f]+|[0-9][0-9.]*[A-Za-z%]+)`)
	oneLine   = regexp.MustCompile(`^\s*[A-Za-z_][A-Za-z0-9_"\s-]*\{.*=.*\}\s*(#.*)?$`)
	yamlColon = regexp.MustCompile(`^\s*[A-Za-z_]+\s*:`)
)

// syntaxFix looks at the line for the mistakes that people make.
func (r *reader) syntaxFix(line int) string {
	if line < 1 || line > len(r.lines) {
		return ""
	}
	if len(r.lines[line-1]) > 400 {
		return ""
	}
	text := string(r.lines[line-1])
	if m := bareUnit.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("values with letters stand in quotes: %q", m[1])
	}
	if oneLine.MatchString(text) {
		return "a block on one line holds one attribute: put each attribute on a line of its own"
	}
	if yamlColon.MatchString(text) {
		return "attributes are set with an equals sign"
	}
	return ""
}

// enclosing names the outermost block around a place.
func enclosing(b *hclsyntax.Body, at hcl.Pos) string {
	if b == nil {
		return ""
	}
	for _, blk := range b.Blocks {
		if rng := hcl.RangeBetween(blk.TypeRange, blk.Body.SrcRange); rng.ContainsPos(at) || rng.End.Byte == at.Byte {
			return strings.TrimSpace(blk.Type + " " + quoted(blk.Labels))
		}
	}
	return ""
}

func quoted(labels []string) string {
	if len(labels) == 0 {
		return ""
	}
	return fmt.Sprintf("%q", labels[0])
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// full says that no more problems are kept, so that looking for them is idle.
func (r *reader) full() bool { return len(r.problems) >= maxProblems }

// fault keeps one problem, up to maxProblems.
func (r *reader) fault(rng hcl.Range, f fault) {
	if r.full() {
		return
	}
	p := Problem{Pos: Pos{r.file, rng.Start.Line, rng.Start.Column}, Block: r.where, What: f.what, Why: f.why, Fix: f.fix}
	if p.Line >= 1 && p.Line <= len(r.lines) {
		p.Source = printable(string(r.lines[p.Line-1]))
	}
	r.problems = append(r.problems, p)
}

// in reports a problem of a block that has been read already.
func (r *reader) in(n *node, rng hcl.Range, f fault) {
	r.where = n.where
	r.fault(rng, f)
	r.where = ""
}
