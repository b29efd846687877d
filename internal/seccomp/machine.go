package seccomp

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/bpf"
)

// point is one struct seccomp_data without its instruction pointer.
type point struct {
	nr, arch uint32
	args     [6]uint64
}

func (p *point) word(w int) uint32 {
	switch {
	case w == wordNr:
		return p.nr
	case w == wordArch:
		return p.arch
	case w%2 == 0:
		return uint32(p.args[(w-wordArgs)/2])
	}
	return uint32(p.args[(w-wordArgs)/2] >> 32)
}

func (p *point) set(w int, v uint32) {
	switch {
	case w == wordNr:
		p.nr = v
	case w == wordArch:
		p.arch = v
	case w%2 == 0:
		a := &p.args[(w-wordArgs)/2]
		*a = *a&^0xffffffff | uint64(v)
	default:
		a := &p.args[(w-wordArgs)/2]
		*a = *a&0xffffffff | uint64(v)<<32
	}
}

// machine runs a filter in user space.
type machine struct {
	vm   *bpf.VM
	data [dataSize]byte
}

func newMachine(code []bpf.RawInstruction) (*machine, error) {
	ins, ok := bpf.Disassemble(code)
	if !ok {
		return nil, fmt.Errorf("the program has instructions that the virtual machine does not know")
	}
	vm, err := bpf.NewVM(ins)
	if err != nil {
		return nil, err
	}
	return &machine{vm: vm}, nil
}

// run is what the kernel would get for the point. The virtual machine was made
// for packets and loads words in network order, while the kernel loads them in
// its own: so each word of seccomp_data is laid out big endian here, the low
// word of an argument before the high one, as on every little endian machine.
func (m *machine) run(p *point) (FilterVerdict, error) {
	for w := range wordsOfData {
		if w == 2 || w == 3 {
			continue // the instruction pointer: no filter here loads it
		}
		binary.BigEndian.PutUint32(m.data[4*w:], p.word(w))
	}
	v, err := m.vm.Run(m.data[:])
	return FilterVerdict(uint32(v)), err
}

// Run is the program's verdict on one call, as the kernel would compute it.
func (p *Program) Run(nr uint32, args [6]uint64) (FilterVerdict, error) {
	run, err := p.Runner()
	if err != nil {
		return 0, err
	}
	return run(nr, args)
}

// Runner is Run for many calls, one after the other.
func (p *Program) Runner() (func(nr uint32, args [6]uint64) (FilterVerdict, error), error) {
	code, err := p.instructions()
	if err != nil {
		return nil, err
	}
	m, err := newMachine(code)
	if err != nil {
		return nil, err
	}
	return func(nr uint32, args [6]uint64) (FilterVerdict, error) {
		return m.run(&point{nr, p.Arch.Audit(), args})
	}, nil
}
