package scmrights

import (
	"fmt"
	"math"
)

// Proof is what an offer demands: evidence that the process at the other end is
// confined as it should be. Level is compared with Config.Proof. Check is
// called before every send and says whether the evidence is still about the
// same living process.
type Proof interface {
	Level() int
	Check() error
}

// Trusted is the waiver: a proof of every level that proves nothing, for
// programs that pass descriptors between processes that trust each other. The
// reason is for whoever reads the code.
func Trusted(reason string) Proof { return waiver(reason) }

type waiver string

func (w waiver) Level() int     { return math.MaxInt }
func (w waiver) Check() error   { return nil }
func (w waiver) String() string { return fmt.Sprintf("not proved, trusted: %s", string(w)) }

// proofLevel is the level that an offer needs.
func (c *Conn) proofLevel(exclusive bool) int {
	if exclusive {
		return max(c.cfg.Proof, c.cfg.ProofExclusive)
	}
	return c.cfg.Proof
}

// accept is nil when p is good enough for an offer now.
func accept(p Proof, level int) error {
	if p == nil {
		return fmt.Errorf("%w: the offer has no proof", ErrUnproved)
	}
	if p.Level() < level {
		return fmt.Errorf("%w: level %d, needed is %d", ErrUnproved, p.Level(), level)
	}
	if err := p.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnproved, err)
	}
	return nil
}
