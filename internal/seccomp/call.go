package seccomp

import (
	"fmt"
	"slices"
	"strings"
)

// Call is one system call as a person writes it, such as msgrcv(7,_,_,-5), on
// one architecture. An argument that is `_`, or not there, may be anything.
type Call struct {
	Arch  Arch
	Nr    uint32
	Args  [6]uint64
	Known [6]bool
}

// ParseCall reads NAME(ARG,...) or NUMBER(ARG,...). Arguments are written as in
// a condition: numbers, constants, a|b, ~a. The error is Problems, with columns.
func ParseCall(text string, a Arch) (c *Call, err error) {
	var problems Problems
	p := &parser{problems: &problems, tokens: words("the call", text, &problems)}
	c = &Call{Arch: a}
	defer func() {
		if r := recover(); r != nil {
			if _, ours := r.(failure); !ours {
				panic(r)
			}
		}
		if err = problems.err(); err != nil {
			c = nil
		}
	}()
	p.callNumber(c)
	if !p.accept("(") {
		p.fail(p.peek(), "", "write msgrcv(7,_,_,-5)", "expected ( after the call")
	}
	for i := 0; !p.accept(")"); i++ {
		if i > 0 && !p.accept(",") {
			p.fail(p.peek(), "", "", "expected , or )")
		}
		if i == len(c.Args) {
			p.fail(p.peek(), "a call has six arguments", "", "expected )")
		}
		p.argument(c, i)
	}
	if p.peek().kind != tokenEnd {
		p.fail(p.peek(), "", "", "expected the end of the call")
	}
	return c, nil
}

func (p *parser) callNumber(c *Call) {
	t := p.next()
	switch t.kind {
	case tokenNumber:
		c.Nr = uint32(p.number(t))
		return
	case tokenName:
	default:
		p.fail(t, "", "write msgrcv(7,_,_,-5)", "expected the name of a call")
	}
	nr, ok := CallNumber(c.Arch, t.text)
	switch known := callArchs(t.text); {
	case ok:
		c.Nr = nr
	case known != 0:
		p.problems.add(t.pos, "", "it is one of "+archNames(known.list()), "%s has no call %s", c.Arch, t.text)
	default:
		p.problems.add(t.pos, "", suggest(t.text, allCalls()), "unknown call %s", quote(t.text))
	}
}

func (p *parser) argument(c *Call, i int) {
	if p.accept("_") {
		return
	}
	v := p.value(true)
	if hasVariable(v) {
		p.problems.add(v.position(), "", "write its value", "a variable is no argument")
		return
	}
	if n, ok := v.(*name); ok && !knownConstant(n.name) {
		p.problems.add(n.pos, "", suggest(n.name, constantNames()), "unknown constant %s", quote(n.name))
		return
	}
	n, err := evaluate(v, c.Arch, nil)
	if err != nil {
		*p.problems = append(*p.problems, problemOf(&rule{pos: v.position()}, err))
		return
	}
	word, fits := narrow(n, argWidth(c.Arch, CallName(c.Arch, c.Nr), i))
	if !fits {
		p.problems.add(v.position(), fmt.Sprintf("the kernel reads 32 bits of arg%d on %s", i, c.Arch), "", "%#x does not fit", uint64(n))
	}
	c.Args[i], c.Known[i] = word, true
}

// String writes the call as Describe does, with _ where anything may stand.
func (c *Call) String() string {
	name, rest, _ := strings.Cut(Describe(c.Arch, c.Nr, c.Args), "(")
	args := strings.Split(strings.TrimSuffix(rest, ")"), ", ")
	if rest == ")" {
		args = nil
	}
	for i := range args {
		if !c.Known[i] {
			args[i] = "_"
		}
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}

// Supposed fills in the variables that v lacks, so that the call's own arguments
// are among them: whoever asks about msgsnd(7,_,64) means a lane of the worker.
// Added says which were filled in.
func (p *Profile) Supposed(c *Call, v Vars) (full, added Vars) {
	full, added = make(Vars), make(Vars)
	for _, name := range variables {
		switch values, given := v[name]; {
		case given:
			full[name] = values
		case name != selfPID: // which alone may be left open
			full[name] = []uint64{}
		}
	}
	suppose := func(arg int, val value) {
		va, ok := val.(*variable)
		if !ok || !IsVariable(va.name) {
			return
		}
		if _, given := v[va.name]; given || va.one && len(full[va.name]) > 0 {
			return
		}
		n := symbol[va.name]
		if c.Known[arg] {
			n = c.Args[arg]
		}
		if !slices.Contains(full[va.name], n) {
			full[va.name] = append(full[va.name], n)
			added[va.name] = full[va.name]
		}
	}
	for _, r := range p.rules {
		if r.cond == nil || !r.archs.has(c.Arch) || callTable[c.Arch][r.call] != c.Nr {
			continue
		}
		comparisons(r.cond, func(cmp *compare) {
			for _, val := range cmp.values {
				suppose(cmp.arg, val)
			}
		})
	}
	return full, added
}

func comparisons(e expr, visit func(*compare)) {
	switch e := e.(type) {
	case *logic:
		comparisons(e.left, visit)
		comparisons(e.right, visit)
	case *compare:
		visit(e)
	}
}

// symbol is a value for each variable that stands for the variable itself where
// profiles are compared or shown and no worker is there. No queue, size or
// process has them in practice.
var symbol = map[string]uint64{"send_queues": 0x7a110001, "receive_queues": 0x7a110002, "frames": 0x7a110003, "block_queues": 0x7a110004, selfPID: PIDTemplate}

// Symbols binds every variable to the value that stands for it.
func Symbols() Vars {
	v := make(Vars)
	for name, n := range symbol {
		v[name] = []uint64{n}
	}
	return v
}

// Values writes the values of a variable for people: a set, in which one that
// stands for the variable itself is named.
func Values(values []uint64) string {
	var words []string
	for _, n := range values {
		word := fmt.Sprint(n)
		for name, s := range symbol {
			if n == s {
				word = "$" + name
			}
		}
		words = append(words, word)
	}
	return "{" + strings.Join(words, ", ") + "}"
}
