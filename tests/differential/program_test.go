package differential_test

import (
	"math"
	"math/rand/v2"

	"sallyport/internal/queuemodel"
)

// The people of every program. The first controls everything and never waits,
// so that a program can always go on.
func people() []queuemodel.Person {
	return []queuemodel.Person{
		{UID: 0, GID: 0},
		{UID: 40001, GID: 40001},
		{UID: 40002, GID: 40001},
		{UID: 40003, GID: 40003, Groups: []uint32{40001}},
		{UID: 40004, GID: 40004},
	}
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// program draws calls for one queue.
type program struct {
	rng    *rand.Rand
	serial int
}

func newProgram(seed uint64) *program {
	return &program{rng: rand.New(rand.NewPCG(seed, 0x5a11))}
}

func (p *program) mode() uint32 {
	return pick[uint32](p.rng, 0o666, 0o666, 0o666, 0o624, 0o642, 0o600, 0o660, 0o606, 0o026, 0o062, 0, uint32(p.rng.IntN(0o1000)))
}

func (p *program) qbytes() uint64 {
	return pick[uint64](p.rng, 64, 64, 33, 16, 4, 1, 0, 200, 1024)
}

// call draws the next one, for somebody who is awake; asleep are possible
// targets of a signal.
func (p *program) call(awake, asleep []int) queuemodel.Call {
	c := queuemodel.Call{Actor: pick(p.rng, awake...)}
	switch n := p.rng.IntN(100); {
	case n < 38:
		p.serial++
		c.Op, c.Serial = queuemodel.Send, p.serial
		c.Type = pick[int64](p.rng, 1, 1, 2, 2, 3, 3, 4, 9, 9, math.MaxInt, 0, -1)
		c.Size = pick(p.rng, 0, 1, 8, 16, 33, 33, 64, 64)
		c.Flags = pick(p.rng, 0, 0, 0, queuemodel.NoWait)
	case n < 76:
		c.Op = queuemodel.Receive
		c.Type = pick[int64](p.rng, 0, 0, 1, 2, 3, 9, -1, -2, -3, -3, -9, math.MaxInt, -math.MaxInt, math.MinInt)
		c.Size = pick(p.rng, 0, 1, 16, 64, 64, 64)
		c.Flags = pick(p.rng, 0, 0, 0, 0, 0, 0, 0, queuemodel.NoWait, queuemodel.NoError, queuemodel.NoError|queuemodel.NoWait,
			queuemodel.Except, queuemodel.Except|queuemodel.NoWait, queuemodel.Copy|queuemodel.NoWait, p.rng.IntN(16)<<11)
	case n < 80:
		c.Op = queuemodel.Stat
	case n < 90:
		c.Op = queuemodel.Set
		c.UID, c.GID = pick[uint32](p.rng, 0, 40001, 40002, 40004), pick[uint32](p.rng, 0, 40001, 40003, 40004)
		c.Mode, c.QBytes = p.mode(), p.qbytes()
		if p.rng.IntN(20) == 0 {
			c.QBytes = queuemodel.MaxBytes + 1
		}
	case n < 95:
		c.Op = queuemodel.Kick
	case n < 96:
		c.Op = queuemodel.Remove
	default:
		if len(asleep) == 0 {
			return p.call(awake, asleep)
		}
		c.Op, c.Target = queuemodel.Signal, pick(p.rng, asleep...)
	}
	if c.Actor == 0 && (c.Op == queuemodel.Send || c.Op == queuemodel.Receive) {
		c.Flags |= queuemodel.NoWait
	}
	return c
}
