package seccomp

// Compared is Verify with the number of points that were compared.
func Compared(b *Bound, p *Program) (int, error) { return verify(b, p) }
