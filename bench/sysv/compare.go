package main

import (
	"encoding/binary"
	"fmt"
	"os/exec"
	"runtime"
	"slices"

	"sallyport/pkg/sysvctl"
)

// sides are the C program and ours; in each turn both run, and the one that was
// first is second in the next.
var sides = []string{"C", "Go"}

func turns(o options, one func(side int) error) error {
	for turn := range o.turns {
		for i := range sides {
			if err := one((turn + i) % len(sides)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o options) program(side int) string {
	if side == 0 {
		return o.bare
	}
	return ""
}

// twoQueues makes two and removes them after use.
func twoQueues(use func(a, b *sysvctl.Queue) error) error {
	a, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{})
	if err != nil {
		return err
	}
	defer a.Remove()
	b, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{})
	if err != nil {
		return err
	}
	defer b.Remove()
	return use(a, b)
}

func numbers(out []byte, err error) ([]uint32, error) {
	if err != nil {
		return nil, err
	}
	list := make([]uint32, len(out)/4)
	_, err = binary.Decode(out, binary.NativeEndian, list)
	return list, err
}

// roundTrips: two processes, one message there and one back.
func roundTrips(o options) error {
	fmt.Printf("Round trips of %d bytes between two processes, both on CPU %d, %s; %d turns of %d\n", size, o.cpu, runtime.Version(), o.turns, o.rounds)
	var all [2][]uint32
	var medians, p99s [2][]float64
	err := turns(o, func(side int) error {
		return twoQueues(func(a, b *sysvctl.Queue) error {
			took, err := numbers(pair(
				child(o.program(side), o.cpu, "pong", a.ID(), b.ID(), o.rounds),
				child(o.program(side), o.cpu, "ping", b.ID(), a.ID(), o.rounds)))
			if err != nil {
				return err
			}
			took = took[min(100, len(took)/2):] // warm
			all[side] = append(all[side], took...)
			slices.Sort(took)
			medians[side], p99s[side] = append(medians[side], float64(at(took, 50))), append(p99s[side], float64(at(took, 99)))
			return nil
		})
	})
	if err != nil {
		return err
	}
	for side, name := range sides {
		slices.Sort(all[side])
		fmt.Printf("  %-3s median %7.2f us, p99 %7.2f us, p99.9 %7.2f us\n", name,
			float64(at(all[side], 50))/1e3, float64(at(all[side], 99))/1e3, float64(all[side][len(all[side])*999/1000])/1e3)
	}
	fmt.Printf("  Go to C, median of the turns: median %.3f (goal at most 1.05), p99 %.2f (goal at most 3)\n", ratio(medians), ratio(p99s))
	// On a machine with other work the quietest turn of each says more.
	fmt.Printf("  Go to C, each side's best turn: median %.3f, p99 %.2f\n",
		slices.Min(medians[1])/slices.Min(medians[0]), slices.Min(p99s[1])/slices.Min(p99s[0]))
	return nil
}

// ratio is the median over the turns of the second side to the first.
func ratio(values [2][]float64) float64 {
	var list []float64
	for i := range values[0] {
		list = append(list, values[1][i]/values[0][i])
	}
	return median(list)
}

// floods: one process sends as fast as it can, another receives.
func floods(o options) error {
	count := o.rounds * 20
	fmt.Printf("Floods of %d messages of %d bytes from one process to another, both on CPU %d; %d turns\n", count, size, o.cpu, o.turns)
	var rates [2][]float64
	err := turns(o, func(side int) error {
		return twoQueues(func(q, _ *sysvctl.Queue) error {
			took, err := numbers(pair(
				child(o.program(side), o.cpu, "pour", q.ID(), count),
				child(o.program(side), o.cpu, "sink", q.ID(), count)))
			if err != nil {
				return err
			}
			rates[side] = append(rates[side], float64(count)/(float64(took[0])*16/1e9))
			return nil
		})
	})
	if err != nil {
		return err
	}
	for side, name := range sides {
		fmt.Printf("  %-3s median %.0f messages a second, %.0f to %.0f\n", name, median(rates[side]), slices.Min(rates[side]), slices.Max(rates[side]))
	}
	fmt.Printf("  Go to C, median of the turns: %.3f (goal at least 0.95); each side's best turn: %.3f\n",
		ratio(rates), slices.Max(rates[1])/slices.Max(rates[0]))
	return nil
}

func kill(children []*exec.Cmd) {
	for _, c := range children {
		_ = c.Process.Kill()
		_ = c.Wait() // it says that it was killed
	}
}
