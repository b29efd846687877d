package seccomp

import "strings"

// maxDepth bounds the nesting of blocks, parentheses and includes.
const maxDepth = 16

// parser turns the tokens of one file into rules. After a mistake it goes on
// with the next statement, so that one run reports all of them.
type parser struct {
	file     *file
	tokens   []token
	at       int
	depth    int
	problems *Problems
}

// file is what one .policy file says by itself.
type file struct {
	name     string // profile or group
	path     string
	src      string
	rules    []*rule
	includes []include
}

type include struct {
	pos   Pos
	group string
	at    int // rules of the file that stand before it
}

// block is what the enclosing braces say about a rule.
type block struct {
	archs           archSet
	optional, start bool
	acknowledged    bool
	inside          bool
}

// failure unwinds to the statement that holds the mistake.
type failure struct{}

func parseFile(f *file, problems *Problems) {
	p := &parser{file: f, problems: problems}
	p.tokens = words(f.path, f.src, problems)
	p.statements(block{archs: allArchs})
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokenEnd {
		p.at++
	}
	return t
}

func (p *parser) is(text string) bool {
	t := p.peek()
	return t.text == text && (t.kind == tokenPunct || t.kind == tokenName)
}

func (p *parser) accept(text string) bool {
	if p.is(text) {
		p.at++
		return true
	}
	return false
}

func (p *parser) newlines() {
	for p.peek().kind == tokenNewline {
		p.at++
	}
}

func (p *parser) fail(t token, why, fix, what string) {
	p.problems.add(t.pos, why, fix, "%s, found %s", what, shown(t))
	panic(failure{})
}

func shown(t token) string {
	switch {
	case t.kind == tokenEnd:
		return "the end of the file"
	case t.text == "\n":
		return "the end of the line"
	}
	return quote(t.text)
}

func (p *parser) statements(in block) {
	for {
		p.newlines()
		t := p.peek()
		switch {
		case t.kind == tokenEnd && in.inside && len(*p.problems) < maxProblems:
			p.problems.add(t.pos, "a block ends with }", "", "the file ends inside a block")
			return
		case t.kind == tokenEnd || len(*p.problems) >= maxProblems:
			p.at = len(p.tokens) - 1
			return
		case p.is("}") && in.inside:
			p.at++
			return
		}
		p.statement(in)
	}
}

// statement reads one statement; a mistake in it skips to its end.
func (p *parser) statement(in block) {
	depth := p.depth
	defer func() {
		if r := recover(); r != nil {
			if _, ours := r.(failure); !ours {
				panic(r)
			}
			p.depth = depth
			p.skip(in)
		}
	}()
	t := p.peek()
	if t.kind != tokenName {
		p.fail(t, "a line begins with a system call, include, start, arch, optional or acknowledge", "", "expected the name of a call")
	}
	switch {
	case t.text == "include":
		p.include(in)
	case (t.text == "start" || t.text == "optional" || t.text == "acknowledge") && p.tokens[p.at+1].text == "{", t.text == "arch":
		p.block(in)
	default:
		p.rule(in)
	}
	end := p.peek()
	if end.kind != tokenNewline && end.kind != tokenEnd && !(in.inside && p.is("}")) {
		p.fail(end, "one rule a line", "put it on a line of its own, or behind a ;", "expected the end of the line")
	}
}

// skip goes to the end of the statement: the next newline outside of braces
// that opened within it.
func (p *parser) skip(in block) {
	open := 0
	for ; p.peek().kind != tokenEnd; p.at++ {
		switch {
		case p.peek().kind == tokenNewline && open == 0:
			return
		case p.is("{"):
			open++
		case p.is("}") && open > 0:
			open--
		case p.is("}") && in.inside:
			return
		}
	}
}

func (p *parser) include(in block) {
	p.next()
	t := p.next()
	if t.kind != tokenGroup || len(t.text) < 2 {
		p.fail(t, "groups are named with an @", "", "expected a group after include")
	}
	if in.inside {
		p.problems.add(t.pos, "what a group allows must not depend on where it is included", "move it out of the block", "include inside a block")
		return
	}
	p.file.includes = append(p.file.includes, include{t.pos, t.text[1:], len(p.file.rules)})
}

func (p *parser) block(in block) {
	t := p.next()
	out := in
	out.inside = true
	switch t.text {
	case "start":
		if in.start {
			p.problems.add(t.pos, "", "", "a start block inside a start block")
		}
		out.start = true
	case "optional":
		out.optional = true
	case "acknowledge":
		out.acknowledged = true
	case "arch":
		out.archs = p.archs(in)
	}
	if !p.accept("{") {
		p.fail(p.peek(), "", "", "expected { after "+t.text)
	}
	if p.depth++; p.depth > maxDepth {
		p.fail(t, "", "", "blocks nested too deeply")
	}
	p.statements(out)
	p.depth--
}

func (p *parser) archs(in block) archSet {
	var set archSet
	for first := true; !p.is("{") || first; first = false {
		t := p.next()
		a, err := ParseArch(t.text)
		if t.kind != tokenName || err != nil {
			p.fail(t, "profiles know "+archNames(Archs), suggest(t.text, strings.Split(archNames(Archs), ", ")), "expected an architecture")
		}
		if !in.archs.has(a) {
			p.problems.add(t.pos, "the enclosing block leaves it out", "", "a block for %s can never apply", a)
		}
		set |= 1 << a
		p.accept(",")
	}
	return set & in.archs
}

// rule reads `call`, `call: cond`, `call: return ERRNO`, `call: cond; return ERRNO`.
func (p *parser) rule(in block) {
	t := p.next()
	r := &rule{pos: t.pos, profile: p.file.name, call: t.text, archs: in.archs, optional: in.optional, start: in.start, acknowledged: in.acknowledged}
	if p.accept(":") {
		if p.is("return") {
			p.refusal(r)
		} else {
			r.cond = p.or()
			if p.peek().text == ";" && p.tokens[p.at+1].text == "return" {
				p.next()
				p.refusal(r)
			}
		}
	}
	last := p.tokens[p.at-1]
	r.text = strings.Join(strings.Fields(uncomment(p.file.src[t.offset:last.offset+len(last.text)])), " ")
	if _, comment, found := strings.Cut(upTo(p.file.src[last.offset+len(last.text):], "\n"), "#"); found {
		r.reason = strings.TrimSpace(comment)
	}
	if r.acknowledged && r.reason == "" {
		p.problems.add(r.pos, "whoever reads the profile must learn why", "write the reason behind a #, on the same line", "an acknowledgement without a reason")
	}
	p.file.rules = append(p.file.rules, r)
}

func uncomment(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		out = append(out, upTo(line, "#"))
	}
	return strings.Join(out, " ")
}

func (p *parser) refusal(r *rule) {
	p.next()
	t := p.next()
	e, ok := errnoTable[t.text]
	if !ok || t.kind != tokenName {
		p.fail(t, "return takes the name of an errno", suggest(t.text, errnoNames()), "expected an errno")
	}
	r.refuse, r.errno = true, e
}
