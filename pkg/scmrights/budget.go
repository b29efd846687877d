package scmrights

import (
	"fmt"
	"sync"
)

// Budget bounds the descriptors that several Conns have on their way at once,
// receipt pipes counted. The kernel's own bound, ETOOMANYREFS, is the sender's
// RLIMIT_NOFILE and does not hold for CAP_SYS_RESOURCE or CAP_SYS_ADMIN
// (too_many_unix_fds in net/core/scm.c), so that nothing else stops a
// privileged parent whose workers do not read. A descriptor is on its way from
// its reservation until the offer's grant has ended. The zero value allows none.
type Budget struct {
	mu         sync.Mutex
	limit, now int
}

// NewBudget makes a budget of so many descriptors.
func NewBudget(descriptors int) *Budget { return &Budget{limit: descriptors} }

// InFlight is how many are on their way now.
func (b *Budget) InFlight() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *Budget) take(n int) error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now+n > b.limit {
		return fmt.Errorf("%w: %d descriptors of all workers are on their way and %d more, the budget is %d", ErrBusy, b.now, n, b.limit)
	}
	b.now += n
	return nil
}

func (b *Budget) put(n int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now -= n
}
