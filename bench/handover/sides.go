package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"time"

	"sallyport/pkg/scmrights"
)

// sample is what the rounds of one side took, in nanoseconds, turn by turn, and
// what was allocated in them.
type sample struct {
	name           string
	cycle, latency [][]uint32
	rounds         uint64 // of which the allocations were counted
	parent, worker uint64 // allocations
}

// foreign are the modes of the C program that are compared.
var foreign = []string{"bare", "fstat", "held", "plain"}

// search are those that are looked at with -search.
var search = []string{"bare", "fcntl", "statx", "uring", "fstat"}

// compare lets the sides take turns with so many descriptors.
func compare(o options, count int) error {
	rounds := max(o.rounds/(1+count/10), 300)
	var sides []*sample
	modes := foreign
	if o.search {
		modes = search
	}
	for _, mode := range modes {
		sides = append(sides, &sample{name: "C " + mode})
	}
	var ours []*pair
	if !o.search {
		for _, held := range []bool{true, false} {
			p, err := start(count, held)
			if err != nil {
				return err
			}
			ours = append(ours, p)
			sides = append(sides, &sample{name: p.name()})
		}
	}
	var errs []error
	for range o.blocks {
		for i, mode := range modes {
			errs = append(errs, sides[i].foreign(o.bare, mode, count, rounds))
		}
		for i, p := range ours {
			errs = append(errs, p.block(sides[len(modes)+i], rounds))
		}
	}
	for _, p := range ours {
		errs = append(errs, p.stop())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, s := range sides {
		s.print(count, sides[0])
	}
	return nil
}

func (s *sample) print(count int, base *sample) {
	fmt.Printf("%5d  %-9s", count, s.name)
	for _, of := range []func(*sample) [][]uint32{func(s *sample) [][]uint32 { return s.latency }, func(s *sample) [][]uint32 { return s.cycle }} {
		mine, theirs := of(s), of(base)
		fmt.Printf("  %8.1f %6.2f %8.1f %6.2f", at(mine, 50), at(mine, 50)/at(theirs, 50), at(mine, 99), at(mine, 99)/at(theirs, 99))
	}
	if s.rounds > 0 {
		fmt.Printf("  %.1f, %.1f", float64(s.parent)/float64(s.rounds), float64(s.worker)/float64(s.rounds))
	}
	fmt.Println()
}

// at is a percentile in microseconds: the median of what it was in each turn, so
// that a turn in which the machine did something else does not count for much.
func at(turns [][]uint32, percent int) float64 {
	var all []uint32
	for _, took := range turns {
		sorted := slices.Sorted(slices.Values(took))
		all = append(all, sorted[(len(sorted)-1)*percent/100])
	}
	slices.Sort(all)
	return float64(all[(len(all)-1)/2]) / 1000
}

// foreign is one turn of the C program.
func (s *sample) foreign(program, mode string, count, rounds int) error {
	cmd := exec.Command(program, mode, strconv.Itoa(count), strconv.Itoa(rounds))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s %s: %w", program, mode, err)
	}
	took := make([]uint32, 2*rounds)
	err = binary.Read(bytes.NewReader(out), binary.NativeEndian, took)
	s.cycle, s.latency = append(s.cycle, took[:rounds]), append(s.latency, took[rounds:])
	return err
}

// pair is our side: this process and a worker, joined for all turns.
type pair struct {
	conn  *scmrights.Conn
	cmd   *exec.Cmd
	items []scmrights.Item
	held  []*scmrights.Held
	files []*os.File
}

// start starts a worker and opens what it is to be granted: as many open files
// as the C program has.
func start(count int, held bool) (*pair, error) {
	parent, end, err := scmrights.Pair()
	if err != nil {
		return nil, err
	}
	p := &pair{cmd: exec.Command("/proc/self/exe")}
	p.cmd.Env = append(os.Environ(), roleVariable+"=worker", scmrights.ChannelVariable+"=3")
	p.cmd.ExtraFiles = []*os.File{end}
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	_ = end.Close()
	if p.conn, err = scmrights.NewConn(parent, scmrights.Config{PID: p.cmd.Process.Pid}); err != nil {
		return nil, err
	}
	if _, err := p.conn.Hello(context.Background()); err != nil {
		return nil, err
	}
	for i := range count {
		file, err := os.Open("/proc/self/exe")
		if err != nil {
			return nil, err
		}
		p.files = append(p.files, file)
		item := scmrights.Item{Name: "grant." + strconv.Itoa(i), Kind: scmrights.KindFile, Mode: scmrights.ModeMove, File: file}
		if held {
			item.Mode = scmrights.ModeShare
			h, err := scmrights.Hold(item)
			if err != nil {
				return nil, err
			}
			p.held = append(p.held, h)
			item = h.Item()
		}
		p.items = append(p.items, item)
	}
	return p, p.conn.Welcome(1)
}

func (p *pair) name() string {
	if p.held != nil {
		return "Go held"
	}
	return "Go plain"
}

// block is one turn: rounds hand-overs, one after the other, each
// with its latency and the whole cycle.
func (p *pair) block(s *sample, rounds int) error {
	for range rounds / 10 {
		if _, err := p.round(); err != nil {
			return err
		}
	}
	cycle, latency := make([]uint32, 0, rounds), make([]uint32, 0, rounds)
	theirs, err := p.allocations()
	if err != nil {
		return err
	}
	ours := mallocs()
	last := time.Now()
	for range rounds {
		took, err := p.round()
		if err != nil {
			return err
		}
		now := time.Now()
		cycle, latency = append(cycle, uint32(now.Sub(last))), append(latency, uint32(took))
		last = now
	}
	s.parent += mallocs() - ours
	after, err := p.allocations()
	s.worker += after - theirs
	s.rounds += uint64(rounds)
	s.cycle, s.latency = append(s.cycle, cycle), append(s.latency, latency)
	return err
}

// round is one hand-over; took is the time from the offer to when the last
// grant is settled.
func (p *pair) round() (took time.Duration, err error) {
	ctx := context.Background()
	begin := time.Now()
	grants, err := p.conn.Offer(scmrights.Trusted("a benchmark"), p.items)
	if err != nil {
		return 0, err
	}
	for _, g := range grants {
		if err := g.Wait(ctx); err != nil {
			return 0, err
		}
	}
	took = time.Since(begin)
	for _, g := range grants {
		if err := g.Close(); err != nil {
			return 0, err
		}
	}
	return took, nil
}

// allocations asks the worker for its count.
func (p *pair) allocations() (uint64, error) {
	if err := p.conn.Send(1, nil); err != nil {
		return 0, err
	}
	m, err := p.conn.Receive(context.Background())
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(m.Body), nil
}

func (p *pair) stop() error {
	errs := []error{p.conn.Close(), p.cmd.Wait()}
	for _, h := range p.held {
		errs = append(errs, h.Close())
	}
	for _, f := range p.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// worker takes descriptors and closes them.
func worker() error {
	f, err := scmrights.Inherited()
	if err != nil {
		return err
	}
	p, err := scmrights.Attach(f)
	if err != nil {
		return err
	}
	for {
		e, err := p.Receive(context.Background())
		if err == io.EOF {
			return p.Close()
		}
		if err != nil {
			return err
		}
		for _, g := range e.Grants {
			if err := g.Close(); err != nil {
				return err
			}
		}
		if e.Message != nil {
			if _, err := p.Send(1, binary.LittleEndian.AppendUint64(nil, mallocs())); err != nil {
				return err
			}
		}
	}
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}
