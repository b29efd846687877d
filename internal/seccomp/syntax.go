package seccomp

// Profile is what one worker may ask of the kernel, as it was written: groups
// are included, names are checked for every architecture, variables are open.
// It does not change after Parse.
type Profile struct {
	Name  string // without the .policy
	rules []*rule
}

// rule is one line. It admits its call when cond holds (nil: always); with an
// errno it refuses it with that, or refuses what cond does not admit.
type rule struct {
	pos      Pos
	profile  string // the profile or group whose file has the line
	text     string // the line as written, without comment
	reason   string // the comment behind it
	call     string
	cond     expr
	refuse   bool // answer errno instead of admitting, or when cond fails
	errno    uint16
	archs    archSet
	optional bool
	start    bool
	// acknowledged: the line says by itself that it undoes a part of the
	// confinement.
	acknowledged bool
}

// expr is a condition on the arguments: *compare, *logic.
type expr interface{ position() Pos }

// logic joins two conditions.
type logic struct {
	pos         Pos
	and         bool
	left, right expr
}

// compare is `argN [& mask] == value`, !=, or in a set.
type compare struct {
	pos    Pos
	arg    int
	mask   value // nil: the whole argument
	negate bool
	values []value // == has one; a variable in a set stands for all its values
}

// value is a number that is known when the profile is bound: *number, *name,
// *variable, *join.
type value interface{ position() Pos }

type number struct {
	pos Pos
	n   int64
}

type name struct {
	pos  Pos
	name string
}

type variable struct {
	pos  Pos
	name string // without the $
	one  bool   // stands where a single value is needed
}

// join is `a | b`, or the complement `~a` (b nil) .
type join struct {
	pos  Pos
	a, b value
}

func (e *logic) position() Pos    { return e.pos }
func (e *compare) position() Pos  { return e.pos }
func (v *number) position() Pos   { return v.pos }
func (v *name) position() Pos     { return v.pos }
func (v *variable) position() Pos { return v.pos }
func (v *join) position() Pos     { return v.pos }
