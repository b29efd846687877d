package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// isJSON says whether a file is in the JSON form: by its name, as HCL has it.
func isJSON(filename string) bool { return strings.HasSuffix(filename, ".json") }

// jsonFile turns the JSON form into the syntax tree that the native form has,
// places included, so that everything after it is the same for both. A block is
// an object, its name a key: {"worker": {"sampler": {...}}}. Texts are taken as
// they stand; they are no templates.
type jsonFile struct {
	r     *reader
	in    *json.Decoder
	lines []int // offset of the first byte of each line
	depth int
}

// errJSON is a fault that has been reported.
var errJSON = errors.New("reported")

// parseJSON returns nil for a file that is no JSON object.
func (r *reader) parseJSON() *hclsyntax.Body {
	f := &jsonFile{r: r, in: json.NewDecoder(bytes.NewReader(r.src)), lines: []int{0}}
	f.in.UseNumber()
	for i, c := range r.src {
		if c == '\n' {
			f.lines = append(f.lines, i+1)
		}
	}
	body, err := f.file()
	var syntax *json.SyntaxError
	switch {
	case err == nil, errors.Is(err, errJSON):
	case errors.As(err, &syntax):
		r.fault(f.at(int(syntax.Offset)), fault{"this is no JSON", syntax.Error(), ""})
	default:
		r.fault(f.at(len(r.src)), fault{"this is no JSON", err.Error(), ""})
	}
	r.broken = err != nil
	return body
}

func (f *jsonFile) file() (*hclsyntax.Body, error) {
	at, token, err := f.next()
	if err != nil {
		return nil, err
	}
	if token != json.Delim('{') {
		f.r.fault(at, fault{"a configuration is an object", "", `begin it with {, as in {"worker": {"sampler": {...}}}`})
		return nil, errJSON
	}
	body, err := f.body(f.r.root)
	if err != nil {
		return body, err
	}
	if at, _, err := f.next(); !errors.Is(err, io.EOF) {
		f.r.fault(at, fault{"something follows the object", "", "remove it"})
		return body, errJSON
	}
	return body, nil
}

// next gives a token and its place, and bounds the depth: what comes after calls
// itself once a level.
func (f *jsonFile) next() (hcl.Range, json.Token, error) {
	token, err := f.in.Token()
	end := int(f.in.InputOffset())
	at := f.at(end - f.length(token))
	switch token {
	case json.Delim('{'), json.Delim('['):
		if f.depth++; f.depth > maxDepth && err == nil {
			f.r.fault(at, fault{"this is nested too deeply", fmt.Sprintf("no configuration needs more than %d brackets within each other", maxDepth), ""})
			err = errJSON
		}
	case json.Delim('}'), json.Delim(']'):
		f.depth--
	}
	at.End = f.at(end).Start
	return at, token, err
}

// length is how many bytes a token took: the decoder says where it ended. For a
// text that is searched backwards, as it may hold escapes.
func (f *jsonFile) length(token json.Token) int {
	end := int(f.in.InputOffset())
	switch token := token.(type) {
	case json.Delim:
		return 1
	case json.Number:
		return len(token.String())
	case bool:
		return map[bool]int{true: 4, false: 5}[token]
	case nil:
		return min(4, end)
	}
	for start := end - 2; start > 0; start-- {
		if f.r.src[start] != '"' {
			continue
		}
		slashes := 0
		for start-slashes > 0 && f.r.src[start-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return end - start
		}
	}
	return end
}

// at is the place of a byte.
func (f *jsonFile) at(offset int) hcl.Range {
	offset = max(0, min(offset, len(f.r.src)))
	line := sort.SearchInts(f.lines, offset+1)
	pos := hcl.Pos{Line: line, Column: offset - f.lines[line-1] + 1, Byte: offset}
	return hcl.Range{Filename: f.r.file, Start: pos, End: pos}
}

// body reads the members of an object whose brace was taken, as the attributes
// and blocks of t; t is nil in a block that the language does not have.
func (f *jsonFile) body(t *blockType) (*hclsyntax.Body, error) {
	b := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}}
	for {
		at, token, err := f.next()
		if err != nil {
			return b, err
		}
		key, isKey := token.(string)
		if !isKey {
			return b, nil // the closing brace: the decoder admits nothing else
		}
		var blk *blockType
		if t != nil {
			blk = t.block(key)
		}
		if blk != nil {
			if err := f.blocks(b, blk, at, nil, nil); err != nil {
				return b, err
			}
			continue
		}
		value, err := f.value()
		if err != nil {
			return b, err
		}
		if first, twice := b.Attributes[key]; twice {
			f.r.fault(at, fault{fmt.Sprintf("the key %q stands twice", printable(key)), fmt.Sprintf("it is already set on line %d", first.NameRange.Start.Line), "remove one of them"})
			continue
		}
		b.Attributes[key] = &hclsyntax.Attribute{Name: key, Expr: value, NameRange: at, SrcRange: at}
	}
}

// blocks reads what stands behind the name of a block: an object, or a list of
// objects; where the block has a name of its own, that is a key around it.
func (f *jsonFile) blocks(b *hclsyntax.Body, t *blockType, at hcl.Range, labels []string, where []hcl.Range) error {
	open, token, err := f.next()
	if err != nil {
		return err
	}
	if token == json.Delim('[') {
		for f.in.More() {
			if err := f.blocks(b, t, at, labels, where); err != nil {
				return err
			}
		}
		_, _, err := f.next()
		return err
	}
	if token != json.Delim('{') {
		f.r.fault(open, fault{fmt.Sprintf("%s is a block, not a value", t.name), "", fmt.Sprintf("write an object: %q: {...}", t.name)})
		return errJSON
	}
	if t.label != "" && len(labels) == 0 {
		for f.in.More() {
			at, token, err := f.next()
			if err != nil {
				return err
			}
			if err := f.blocks(b, t, at, []string{token.(string)}, []hcl.Range{at}); err != nil {
				return err
			}
		}
		_, _, err := f.next()
		return err
	}
	inner, err := f.body(t)
	inner.SrcRange = open
	b.Blocks = append(b.Blocks, &hclsyntax.Block{Type: t.name, Labels: labels, LabelRanges: where, Body: inner, TypeRange: at, OpenBraceRange: open, CloseBraceRange: open})
	return err
}

// value reads one value as the expression that the native form has for it.
func (f *jsonFile) value() (hclsyntax.Expression, error) {
	at, token, err := f.next()
	if err != nil {
		return nil, err
	}
	literal := func(v cty.Value) (hclsyntax.Expression, error) {
		return &hclsyntax.LiteralValueExpr{Val: v, SrcRange: at}, nil
	}
	switch token := token.(type) {
	case string:
		return literal(cty.StringVal(token))
	case bool:
		return literal(cty.BoolVal(token))
	case nil:
		return literal(cty.NullVal(cty.DynamicPseudoType))
	case json.Number:
		n, err := cty.ParseNumberVal(token.String())
		if err != nil {
			f.r.fault(at, fault{fmt.Sprintf("%s is no number", printable(token.String())), "", ""})
			return nil, errJSON
		}
		return literal(n)
	}
	if token == json.Delim('[') {
		list := &hclsyntax.TupleConsExpr{SrcRange: at}
		for f.in.More() {
			v, err := f.value()
			if err != nil {
				return nil, err
			}
			list.Exprs = append(list.Exprs, v)
		}
		_, _, err := f.next()
		return list, err
	}
	object := &hclsyntax.ObjectConsExpr{SrcRange: at}
	for f.in.More() {
		at, token, err := f.next()
		if err != nil {
			return nil, err
		}
		key := &hclsyntax.LiteralValueExpr{Val: cty.StringVal(token.(string)), SrcRange: at}
		v, err := f.value()
		if err != nil {
			return nil, err
		}
		object.Items = append(object.Items, hclsyntax.ObjectConsItem{KeyExpr: &hclsyntax.ObjectConsKeyExpr{Wrapped: key}, ValueExpr: v})
	}
	_, _, err = f.next()
	return object, err
}
