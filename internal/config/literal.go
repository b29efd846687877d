package config

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A literal is a value as it stands in the file. Taking it from the syntax tree
// instead of evaluating the expression is what makes the file data: there is
// nothing here that could compute.
type literal struct {
	kind   literalKind
	text   string
	number *big.Float
	truth  bool
	list   []literal
	items  []item
	rng    hcl.Range
}

type item struct {
	key   string
	rng   hcl.Range
	value literal
}

type literalKind uint8

const (
	textLiteral literalKind = iota
	numberLiteral
	truthLiteral
	listLiteral
	objectLiteral
	nullLiteral
)

func (k literalKind) String() string {
	return [...]string{"text", "a number", "true or false", "a list", "an object", "null"}[k]
}

// literal reports every part of e that is not a literal, and then returns false.
func (r *reader) literal(e hclsyntax.Expression) (literal, bool) {
	l := literal{rng: e.Range()}
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		return r.plain(e, l)
	case *hclsyntax.ParenthesesExpr:
		return r.literal(e.Expression)
	case *hclsyntax.TemplateExpr:
		for _, part := range e.Parts {
			p, isLiteral := part.(*hclsyntax.LiteralValueExpr)
			if !isLiteral || !p.Val.Type().Equals(cty.String) {
				return l, r.notPlain(part.Range())
			}
			l.text += p.Val.AsString()
		}
		return l, true
	case *hclsyntax.UnaryOpExpr:
		inner, isLiteral := e.Val.(*hclsyntax.LiteralValueExpr)
		if e.Op != hclsyntax.OpNegate || !isLiteral || !inner.Val.Type().Equals(cty.Number) || inner.Val.IsNull() {
			return l, r.notPlain(l.rng)
		}
		l.kind, l.number = numberLiteral, new(big.Float).Neg(inner.Val.AsBigFloat())
		return l, true
	case *hclsyntax.TupleConsExpr:
		l.kind = listLiteral
		ok := true
		for _, one := range e.Exprs {
			v, good := r.literal(one)
			l.list, ok = append(l.list, v), ok && good
		}
		return l, ok
	case *hclsyntax.ObjectConsExpr:
		return r.object(e, l)
	}
	return l, r.notPlain(l.rng)
}

func (r *reader) plain(e *hclsyntax.LiteralValueExpr, l literal) (literal, bool) {
	switch {
	case !e.Val.IsKnown(): // the parser's stand-in for what it could not read, and has reported
		return l, false
	case e.Val.IsNull():
		l.kind = nullLiteral
	case e.Val.Type().Equals(cty.Number):
		l.kind, l.number = numberLiteral, e.Val.AsBigFloat()
	case e.Val.Type().Equals(cty.Bool):
		l.kind, l.truth = truthLiteral, e.Val.True()
	case e.Val.Type().Equals(cty.String):
		l.text = e.Val.AsString()
	default:
		return l, false
	}
	return l, true
}

func (r *reader) object(e *hclsyntax.ObjectConsExpr, l literal) (literal, bool) {
	l.kind = objectLiteral
	ok := true
	seen := map[string]hcl.Range{}
	for _, i := range e.Items {
		key := hcl.ExprAsKeyword(i.KeyExpr)
		if key == "" {
			wrapped, isKey := i.KeyExpr.(*hclsyntax.ObjectConsKeyExpr)
			if !isKey {
				ok = r.notPlain(i.KeyExpr.Range())
				continue
			}
			k, good := r.literal(wrapped.Wrapped)
			if !good {
				ok = false
				continue
			}
			if k.kind != textLiteral || k.text == "" {
				r.fault(k.rng, fault{"a key of an object is a word", "", ""})
				ok = false
				continue
			}
			key = k.text
		}
		if first, twice := seen[key]; twice {
			r.fault(i.KeyExpr.Range(), fault{fmt.Sprintf("the key %q stands twice", key), fmt.Sprintf("it is already set on line %d", first.Start.Line), "remove one of them"})
			ok = false
			continue
		}
		seen[key] = i.KeyExpr.Range()
		v, good := r.literal(i.ValueExpr)
		l.items, ok = append(l.items, item{key, i.KeyExpr.Range(), v}), ok && good
	}
	return l, ok
}

// notPlain reports an expression and returns false.
func (r *reader) notPlain(rng hcl.Range) bool {
	f := fault{what: "this is not a plain value", why: "the file is data: it has no variables, functions or calculations"}
	if word := string(rng.SliceBytes(r.src)); rng.CanSliceBytes(r.src) && word != "" && len(word) < 64 && !strings.ContainsAny(word, "\"\n(){}[]$%") {
		f.fix = fmt.Sprintf("text stands in quotes: %q", word)
		switch strings.ToLower(word) {
		case "yes", "on", "true":
			f.fix = "did you mean true?"
		case "no", "off", "false":
			f.fix = "did you mean false?"
		}
	}
	r.fault(rng, f)
	return false
}
