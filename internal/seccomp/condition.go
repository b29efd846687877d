package seccomp

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// The conditions of a rule:
//
//	or      = and { "||" and }
//	and     = primary { "&&" primary }
//	primary = "(" or ")" | compare
//	compare = argN [ "&" value ] ( "==" value | "!=" value | "in" set )
//	set     = $variable | "{" value { "," value } "}"
//	value   = unary { "|" unary }
//	unary   = [ "~" | "-" ] ( number | NAME | $variable | "(" value ")" )
//
// A line may end behind an operator, an opening bracket or a comma.

func (p *parser) or() expr {
	e := p.and()
	for p.is("||") {
		t := p.next()
		p.newlines()
		e = &logic{t.pos, false, e, p.and()}
	}
	return e
}

func (p *parser) and() expr {
	e := p.primary()
	for p.is("&&") {
		t := p.next()
		p.newlines()
		e = &logic{t.pos, true, e, p.primary()}
	}
	return e
}

func (p *parser) primary() expr {
	// (arg1 & MASK) == v and (a || b) begin alike: look one token further.
	if p.is("(") && !p.maskedArg() {
		open := p.next()
		p.deeper(open)
		p.newlines()
		e := p.or()
		p.newlines()
		if !p.accept(")") {
			p.fail(p.peek(), "", "", fmt.Sprintf("expected ) for the ( at column %d", open.pos.Col))
		}
		p.depth--
		return e
	}
	return p.compare()
}

// maskedArg reports whether the bracket ahead is around `argN & mask` alone.
func (p *parser) maskedArg() bool {
	if p.tokens[p.at+1].kind != tokenName || p.tokens[p.at+2].text != "&" {
		return false
	}
	depth := 0
	for i := p.at; p.tokens[i].kind != tokenEnd && p.tokens[i].kind != tokenNewline; i++ {
		switch p.tokens[i].text {
		case "(":
			depth++
		case ")":
			if depth--; depth == 0 {
				return true
			}
		case "==", "!=", "in":
			return false
		}
	}
	return false
}

func (p *parser) compare() expr {
	bracket := p.accept("(")
	t := p.next()
	c := &compare{pos: t.pos}
	if len(t.text) != 4 || t.text[:3] != "arg" || t.text[3] < '0' || t.text[3] > '5' {
		p.fail(t, "the arguments of a call are arg0 to arg5", "", "expected an argument")
	}
	c.arg = int(t.text[3] - '0')
	if p.accept("&") {
		p.newlines()
		c.mask = p.value(true)
	}
	if bracket && !p.accept(")") {
		p.fail(p.peek(), "", "", "expected ) behind the mask")
	}
	op := p.next()
	p.newlines()
	switch op.text {
	case "==", "!=":
		c.negate = op.text == "!="
		c.values = []value{p.value(true)}
	case "in":
		c.values = p.set()
	case "<", ">":
		p.fail(op, "not every libseccomp compiles ranges of 64-bit arguments faithfully", "write a mask (arg0 & ~7 == 0) or a set (arg0 in {1, 2})", "expected ==, != or in")
	default:
		p.fail(op, "", "", "expected ==, != or in")
	}
	return c
}

func (p *parser) set() []value {
	if p.peek().kind == tokenVar {
		return []value{p.variable(false)}
	}
	open := p.next()
	if open.text != "{" {
		p.fail(open, "", "", "expected { or a variable after in")
	}
	var out []value
	for {
		p.newlines()
		if p.peek().kind == tokenVar {
			out = append(out, p.variable(false))
		} else {
			out = append(out, p.value(false))
		}
		p.newlines()
		if p.accept("}") {
			return out
		}
		if !p.accept(",") {
			p.fail(p.peek(), "", "", "expected , or } in a set")
		}
	}
}

func (p *parser) value(one bool) value {
	v := p.unary(one)
	for p.is("|") {
		t := p.next()
		p.newlines()
		v = &join{t.pos, v, p.unary(true)}
	}
	return v
}

func (p *parser) unary(one bool) value {
	t := p.peek()
	switch {
	case p.accept("~"):
		p.deeper(t)
		v := &join{pos: t.pos, a: p.unary(true)}
		p.depth--
		return v
	case p.accept("-"):
		n := p.next()
		return &number{t.pos, -p.number(n)}
	case p.accept("("):
		p.deeper(t)
		v := p.value(true)
		if !p.accept(")") {
			p.fail(p.peek(), "", "", "expected )")
		}
		p.depth--
		return v
	case t.kind == tokenVar:
		return p.variable(one)
	case t.kind == tokenNumber:
		return &number{t.pos, p.number(p.next())}
	case t.kind == tokenName:
		p.next()
		return &name{t.pos, t.text}
	}
	p.fail(t, "", "", "expected a number, a constant or a variable")
	return nil
}

func (p *parser) number(t token) int64 {
	n, err := strconv.ParseUint(t.text, 0, 64)
	if err != nil || t.kind != tokenNumber {
		p.fail(t, "numbers are decimal, 0x hexadecimal or 0o octal, of at most 64 bits", "", "expected a number")
	}
	return int64(n)
}

func (p *parser) variable(one bool) value {
	t := p.next()
	return &variable{t.pos, t.text[1:], one}
}

func (p *parser) deeper(t token) {
	if p.depth++; p.depth > maxDepth {
		p.fail(t, "", "", "brackets nested too deeply")
	}
}

func errnoNames() []string { return slices.Collect(maps.Keys(errnoTable)) }
