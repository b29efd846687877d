package config

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// node is one block of the file, read by its table.
type node struct {
	t      *blockType
	label  string
	rng    hcl.Range // its first line
	where  string    // `worker "sampler"`
	values map[string]value
	blocks []*node
	meant  map[string]bool // what unknown names were probably meant to be
}

// value is what an attribute holds; ok is false when it was set and refused.
type value struct {
	v   any
	ok  bool
	rng hcl.Range // of the value
}

func newNode(t *blockType, label string, rng hcl.Range, where string) *node {
	return &node{t: t, label: label, rng: rng, where: where, values: map[string]value{}, meant: map[string]bool{}}
}

func (n *node) has(name string) bool { _, set := n.values[name]; return set }

// at is the place of an attribute, or of the block when it is not set.
func (n *node) at(name string) hcl.Range {
	if v, set := n.values[name]; set {
		return v.rng
	}
	return n.rng
}

func (n *node) block(name string) *node {
	for _, b := range n.blocks {
		if b.t.name == name {
			return b
		}
	}
	return nil
}

func (n *node) all(name string) []*node {
	var out []*node
	for _, b := range n.blocks {
		if b.t.name == name {
			out = append(out, b)
		}
	}
	return out
}

// get returns an attribute of the first node of the chain that sets it, else the
// table's fallback, else the zero value. Nodes may be nil.
func get[T any](t *blockType, name string, chain ...*node) T {
	for _, n := range chain {
		if n == nil {
			continue
		}
		if v, set := n.values[name]; set && v.ok {
			return v.v.(T)
		}
	}
	out, _ := t.attr(name).fallback.(T)
	return out
}

// body reads what stands between a block's braces into n.
func (r *reader) body(b *hclsyntax.Body, n *node) {
	outer := r.where
	r.where = n.where
	defer func() { r.where = outer }()
	attrs := make([]*hclsyntax.Attribute, 0, len(b.Attributes))
	for _, a := range b.Attributes {
		attrs = append(attrs, a)
	}
	slices.SortFunc(attrs, func(a, b *hclsyntax.Attribute) int { return cmp.Compare(a.SrcRange.Start.Byte, b.SrcRange.Start.Byte) })
	for _, a := range attrs {
		l, ok := r.literal(a.Expr)
		r.attribute(n, a.Name, a.NameRange, l, ok)
	}
	for _, blk := range b.Blocks {
		if r.full() {
			return
		}
		r.child(n, blk)
	}
	r.missing(n)
}

// attribute reads one attribute into n by the table; plain is false when its
// value was no literal, which is reported already.
func (r *reader) attribute(n *node, name string, at hcl.Range, l literal, plain bool) {
	a := n.t.attr(name)
	if a == nil {
		r.unknown(n, name, at, true)
		return
	}
	n.values[name] = value{rng: l.rng}
	switch {
	case a.later:
		r.fault(at, fault{fmt.Sprintf("%q is not in this version", name), a.doc, "remove it"})
	case !plain:
	case l.kind == nullLiteral:
		r.fault(l.rng, fault{fmt.Sprintf("%q is null", name), "", "leave the attribute out instead"})
	default:
		v, ok := a.value.read(r, l)
		n.values[name] = value{v, ok, l.rng}
	}
}

// child reads one nested block.
func (r *reader) child(n *node, blk *hclsyntax.Block) {
	t := n.t.block(blk.Type)
	if t == nil {
		r.unknown(n, blk.Type, blk.TypeRange, false)
		return
	}
	label, where, labelled := "", blk.Type, true
	switch {
	case t.label == "" && len(blk.Labels) > 0:
		r.fault(blk.LabelRanges[0], fault{fmt.Sprintf("a block %s has no name", t.name), "", fmt.Sprintf("write: %s {", t.name)})
	case t.label != "" && len(blk.Labels) != 1:
		r.fault(blk.TypeRange, fault{fmt.Sprintf("a block %s has one name", t.name), "", fmt.Sprintf("write: %s \"NAME\" {", t.name)})
		labelled = false
	case t.label != "":
		label, where = blk.Labels[0], fmt.Sprintf("%s %q", t.name, blk.Labels[0])
		if f := textFault(name, label); f != "" {
			r.fault(blk.LabelRanges[0], fault{f, "", `as in "cpu_temp"`})
		}
	}
	if n.where != "" {
		where = n.where + ", " + where
	}
	for _, other := range n.blocks {
		if labelled && other.t == t && (!t.many || other.label == label) {
			r.fault(blk.TypeRange, fault{fmt.Sprintf("there are two blocks %s", where), fmt.Sprintf("the first is on line %d", other.rng.Start.Line), "make one of the two, or rename one"})
			break
		}
	}
	c := newNode(t, label, blk.DefRange(), where)
	r.body(blk.Body, c)
	if labelled {
		n.blocks = append(n.blocks, c)
	}
}

// missing reports what a block must have and has not. In a broken file it may be
// in the part that could not be read.
func (r *reader) missing(n *node) {
	if r.broken {
		return
	}
	for _, a := range n.t.attrs {
		if a.required && !n.has(a.name) && !n.meant[a.name] {
			r.fault(n.rng, fault{fmt.Sprintf("%q is missing", a.name), a.doc, fmt.Sprintf("add: %s = ...", a.name)})
		}
	}
	for _, b := range n.t.blocks {
		if b.required && n.block(b.name) == nil && !n.meant[b.name] {
			r.fault(n.rng, fault{fmt.Sprintf("the block %s is missing", b.name), b.doc, fmt.Sprintf("add: %s { ... }", b.name)})
		}
	}
}

// unknown reports a name that the table does not have: misspelt, of the other
// form, or of another block.
func (r *reader) unknown(n *node, name string, at hcl.Range, isAttr bool) {
	t := n.t
	f := fault{what: fmt.Sprintf("there is no block %s here", name)}
	if isAttr {
		f.what = fmt.Sprintf("there is no attribute %q here", name)
	}
	switch {
	case isAttr && t.block(name) != nil:
		n.meant[name] = true
		f.what, f.fix = fmt.Sprintf("%s is a block, not an attribute", name), fmt.Sprintf("remove the equals sign: %s { ... }, each attribute on a line of its own", name)
	case !isAttr && t.attr(name) != nil:
		n.meant[name] = true
		f.what, f.fix = fmt.Sprintf("%s is an attribute, not a block", name), fmt.Sprintf("put an equals sign: %s = ...", name)
	case nearest(name, t.names()) != "":
		n.meant[nearest(name, t.names())] = true
		f.fix = didYouMean(name, t.names(), "name")
	default:
		if home := homes(r.root, name, nil); len(home) > 0 && !slices.Contains(home, t.name) {
			f.fix = fmt.Sprintf("%s belongs into a block %s", name, home[0])
		} else {
			f.fix = didYouMean(name, t.names(), "name")
		}
	}
	r.fault(at, f)
}

// homes lists the blocks beneath t that have something of this name.
func homes(t *blockType, name string, found []string) []string {
	if t == nil {
		return nil
	}
	for _, b := range t.blocks {
		if slices.Contains(b.names(), name) {
			found = append(found, b.name)
		}
		found = homes(b, name, found)
	}
	return found
}
