package seccomp

import "fmt"

// argWidth is the number of bits that the kernel reads of an argument: 32 for
// int and its like on every architecture, so that the high word means nothing
// (SYSCALL_DEFINE casts to the declared type) and must not be compared.
func argWidth(a Arch, call string, arg int) int {
	if sig := signature(call); a.wide() && arg < len(sig) && sig[arg].kind.wide() {
		return 64
	}
	return 32
}

// narrow cuts a number to the width of an argument. It reports false when a
// value outside of both int32 and uint32 would lose bits.
func narrow(n int64, width int) (uint64, bool) {
	if width == 64 {
		return uint64(n), true
	}
	return uint64(uint32(n)), n >= -1<<31 && n < 1<<32
}

// onPID is true for argN == $self_pid and nothing else.
func (c *compare) onPID() bool {
	v, ok := c.values[0].(*variable)
	return ok && v.name == selfPID && len(c.values) == 1 && c.mask == nil && !c.negate
}

// evaluate computes a single value.
func evaluate(v value, a Arch, vars Vars) (int64, error) {
	switch v := v.(type) {
	case *number:
		return v.n, nil
	case *name:
		n, ok := Constant(a, v.name)
		if !ok {
			return 0, &Problem{Pos: v.pos, What: fmt.Sprintf("constant %s has no value on %s", v.name, a)}
		}
		return int64(n), nil
	case *variable:
		values, err := v.lookup(vars)
		if err != nil {
			return 0, err
		}
		if len(values) != 1 {
			return 0, &Problem{Pos: v.pos, What: fmt.Sprintf("$%s has %d values where one is compared", v.name, len(values)), Fix: "write in $" + v.name}
		}
		return int64(values[0]), nil
	}
	j := v.(*join)
	x, err := evaluate(j.a, a, vars)
	if err != nil || j.b == nil {
		return ^x, err
	}
	y, err := evaluate(j.b, a, vars)
	return x | y, err
}

func (v *variable) lookup(vars Vars) ([]uint64, error) {
	values, ok := vars[v.name]
	if !ok {
		return nil, &Problem{Pos: v.pos, What: fmt.Sprintf("no value for $%s", v.name), Why: "the launch must bind every variable of the profile"}
	}
	return values, nil
}

// clauses is the comparison as alternatives: one a value, or for != one for each
// bit in which the argument can differ from it.
func (c *compare) clauses(r *rule, a Arch, vars Vars) ([]clause, error) {
	if _, bound := vars[selfPID]; !bound && c.onPID() {
		return []clause{nil}, nil
	}
	width := argWidth(a, r.call, c.arg)
	mask := uint64(1)<<(width-1)<<1 - 1
	if c.mask != nil {
		n, err := evaluate(c.mask, a, vars)
		if err != nil {
			return nil, err
		}
		m, fits := narrow(n, width)
		if !fits {
			return nil, &Problem{Pos: c.pos, What: fmt.Sprintf("mask %#x does not fit arg%d", n, c.arg)}
		}
		mask = m
	}
	values, err := c.numbers(a, vars, width)
	if err != nil {
		return nil, err
	}
	if c.negate {
		return differs(c.arg, mask, values[0]), nil
	}
	var out []clause
	for _, n := range values {
		switch {
		case n&^mask != 0: // cannot hold
		case mask == 0:
			out = append(out, nil)
		default:
			out = append(out, clause{{c.arg, mask, n}})
		}
	}
	return limited(r, out)
}

// differs says an inequality under a mask in masked equalities, which is all that
// libseccomp compiles faithfully.
func differs(arg int, mask, n uint64) []clause {
	if n&^mask != 0 {
		return []clause{nil}
	}
	var out []clause
	for bit := uint64(1); bit != 0; bit <<= 1 {
		if mask&bit != 0 {
			out = append(out, clause{{arg, bit, ^n & bit}})
		}
	}
	return out
}

func (c *compare) numbers(a Arch, vars Vars, width int) ([]uint64, error) {
	var out []uint64
	for _, v := range c.values {
		var list []uint64
		if va, ok := v.(*variable); ok && !va.one {
			values, err := va.lookup(vars)
			if err != nil {
				return nil, err
			}
			list = values
		} else {
			n, err := evaluate(v, a, vars)
			if err != nil {
				return nil, err
			}
			list = []uint64{uint64(n)}
		}
		for _, n := range list {
			m, fits := narrow(int64(n), width)
			if !fits {
				return nil, &Problem{Pos: v.position(), What: fmt.Sprintf("%#x does not fit arg%d", n, c.arg), Why: fmt.Sprintf("it has %d bits", width)}
			}
			out = append(out, m)
		}
	}
	return out, nil
}
