package seccomp

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// variables are the values that a profile can leave open until Bind.
var variables = []string{"send_queues", "receive_queues", "block_queues", "frames", "self_pid"}

// IsVariable reports whether profiles know a variable of that name, without the $.
func IsVariable(name string) bool { return slices.Contains(variables, name) }

// check finds what is wrong with rules that are well formed: names that mean
// nothing, conditions on what a filter cannot see, calls that no profile may
// admit, and rules that contradict each other.
func check(rules []*rule, problems *Problems) {
	all := 0
	for _, r := range rules {
		found := len(*problems)
		if found >= maxProblems || all > maxClauses {
			return
		}
		if !checkCall(r, problems) {
			continue
		}
		if r.cond != nil {
			checkExpr(r, r.cond, problems)
		}
		if len(*problems) == found && !variableExpr(r.cond) {
			if all += checkBound(r, problems); all > maxClauses {
				*problems = append(*problems, *tooMany(r))
			}
		}
	}
	checkTogether(rules, problems)
}

// checkBound finds what Bind would, in rules that need no variable, and says to
// how many alternatives the rule comes on one architecture.
func checkBound(r *rule, problems *Problems) (clauses int) {
	for _, a := range r.archs.list() {
		b, err := bindRule(r, a, nil)
		if err != nil {
			*problems = append(*problems, problemOf(r, err))
			return 0
		}
		clauses = max(clauses, len(b.admits))
	}
	return clauses
}

func variableExpr(e expr) bool {
	switch e := e.(type) {
	case *logic:
		return variableExpr(e.left) || variableExpr(e.right)
	case *compare:
		return slices.ContainsFunc(e.values, hasVariable) || e.mask != nil && hasVariable(e.mask)
	}
	return false
}

// checkCall drops from an optional rule the architectures without the call. It
// reports whether the conditions can be looked at.
func checkCall(r *rule, problems *Problems) bool {
	known := callArchs(r.call)
	missing := r.archs &^ known
	switch {
	case slices.Contains(never, r.call) && !r.acknowledged:
		problems.add(r.pos, "it reaches past what a worker was granted", "remove the line, or put it into acknowledge { } with the reason", "%s is never admitted", r.call)
		return false
	case slices.Contains(launchOnly, r.call):
		problems.add(r.pos, "the launch admits one exec by itself, and none after it", "remove the line", "%s is not for profiles", r.call)
		return false
	case known == 0 && r.optional:
		r.archs = 0
		return false
	case known == 0:
		problems.add(r.pos, "no system call of "+archNames(Archs)+" has that name", suggest(r.call, allCalls()), "unknown call %s", quote(r.call))
		return false
	case r.optional:
		r.archs &= known
	case missing != 0:
		has := (r.archs & known).list()
		fix := fmt.Sprintf("write optional { %s }", r.call)
		if len(has) > 0 {
			fix = fmt.Sprintf("write arch %s { %s }, or optional { %s }", strings.ReplaceAll(archNames(has), ",", ""), r.call, r.call)
		}
		problems.add(r.pos, "", fix, "%s has no call %s", archNames(missing.list()), r.call)
		r.archs &= known
	}
	return true
}

func checkExpr(r *rule, e expr, problems *Problems) {
	c, ok := e.(*compare)
	if !ok {
		l := e.(*logic)
		checkExpr(r, l.left, problems)
		checkExpr(r, l.right, problems)
		return
	}
	sig := signature(r.call)
	switch {
	case sig == nil:
		problems.add(c.pos, "this program has no table of its arguments", "admit the call as a whole, or leave it out", "no conditions on %s", r.call)
		return
	case c.arg >= len(sig):
		problems.add(c.pos, fmt.Sprintf("it has %d arguments, counted from 0", len(sig)), "", "%s has no arg%d", r.call, c.arg)
		return
	case sig[c.arg].kind == kindPointer:
		problems.add(c.pos, "a filter sees the address and not what is there", "", "arg%d (%s) of %s is a pointer", c.arg, sig[c.arg].name, r.call)
		return
	case sig[c.arg].kind.opaque():
		problems.add(c.pos, "32-bit arm passes it in two registers", "", "arg%d (%s) of %s cannot be compared", c.arg, sig[c.arg].name, r.call)
		return
	}
	for _, v := range append(slices.Clone(c.values), c.mask) {
		checkValue(r, c, v, problems)
	}
}

func checkValue(r *rule, c *compare, v value, problems *Problems) {
	switch v := v.(type) {
	case nil:
	case *join:
		checkValue(r, c, v.a, problems)
		if v.b != nil {
			checkValue(r, c, v.b, problems)
		}
	case *variable:
		if !slices.Contains(variables, v.name) {
			problems.add(v.pos, "variables are $"+strings.Join(variables, ", $"), suggest(v.name, slices.Clone(variables)), "unknown variable $%s", v.name)
		}
	case *name:
		for _, a := range r.archs.list() {
			if _, ok := Constant(a, v.name); ok {
				continue
			}
			if !knownConstant(v.name) {
				problems.add(v.pos, "", suggest(v.name, constantNames()), "unknown constant %s", quote(v.name))
			} else {
				problems.add(v.pos, "", fmt.Sprintf("put the line into an arch block without %s", a), "constant %s has no value on %s", v.name, a)
			}
			return
		}
	}
	if v == nil || hasVariable(v) {
		return
	}
	for _, a := range r.archs.list() {
		n, err := evaluate(v, a, nil)
		if _, fits := narrow(n, argWidth(a, r.call, c.arg)); err == nil && !fits {
			problems.add(v.position(), fmt.Sprintf("arg%d of %s has 32 bits on %s", c.arg, r.call, a), "", "%#x does not fit", uint64(n))
			return
		}
	}
}

func hasVariable(v value) bool {
	switch v := v.(type) {
	case *variable:
		return true
	case *join:
		return hasVariable(v.a) || v.b != nil && hasVariable(v.b)
	}
	return false
}

// checkTogether looks at all rules for one call on one architecture: a rule
// that another makes pointless is a mistake in one of the two.
func checkTogether(rules []*rule, problems *Problems) {
	type key struct {
		call  string
		start bool
	}
	seen := make(map[key][]*rule)
	for _, r := range rules {
		k := key{r.call, r.start}
		others := seen[k]
		if r.start {
			others = append(slices.Clone(others), seen[key{r.call, false}]...)
		}
		for _, other := range others {
			if r.archs&other.archs == 0 || other.start != r.start && !answers(other, r) {
				continue
			}
			if why := conflict(r, other); why != "" {
				problems.add(r.pos, why, "remove one of them", "%s contradicts %s (%s)", quote(r.text), other.pos, quote(other.text))
				break
			}
		}
		seen[k] = append(seen[k], r)
	}
}

// answers reports whether the filter's rule leaves nothing of the call to the
// start block. A profile may widen in that way what a group has for the start.
func answers(filter, start *rule) bool {
	return filter.profile == start.profile && filter.cond == nil && !filter.refuse
}

func conflict(r, other *rule) string {
	switch {
	case r.start != other.start:
		return "the filter has answered before the start block is asked"
	case r.refuse && other.refuse && r.errno != other.errno:
		return "two answers to one call"
	case r.cond == nil && other.cond == nil && r.refuse != other.refuse:
		return "one admits what the other refuses"
	case (r.cond == nil) != (other.cond == nil) && !(r.refuse && r.cond == nil) && !(other.refuse && other.cond == nil):
		return "one admits every call, so that the condition of the other means nothing"
	}
	return ""
}

func allCalls() []string {
	var out []string
	for _, a := range Archs {
		out = slices.AppendSeq(out, maps.Keys(callTable[a]))
	}
	return out
}
