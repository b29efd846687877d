package launch

import "fmt"

// Breach is a call that was neither continued nor answered, as the kernel's
// notice showed it. The worker was killed for it while the call waited.
type Breach struct {
	Nr    int32
	Arch  uint32 // AUDIT_ARCH_* of the call
	Args  [6]uint64
	IP    uint64 // where in the worker
	TID   int    // of the calling thread; in another process after a fork
	Phase Phase
}

// Error tells the breach by numbers; who knows the names says it better.
func (b *Breach) Error() string {
	return fmt.Sprintf("call %d(%#x, %#x, %#x, %#x, %#x, %#x) while %s, by thread %d at %#x",
		b.Nr, b.Args[0], b.Args[1], b.Args[2], b.Args[3], b.Args[4], b.Args[5], b.Phase, b.TID, b.IP)
}
