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

// sample is what the rounds of one side took, and what was allocated in them.
type sample struct {
	name           string
	took           []uint32 // nanoseconds
	parent, worker uint64   // allocations
}

// compare lets the sides take turns with so many descriptors.
func compare(o options, count int) error {
	rounds := max(o.rounds/(1+count/10), 100)
	ours, err := start(count)
	if err != nil {
		return err
	}
	sides := []*sample{{name: "C bare"}, {name: "C steps"}, {name: "Go"}}
	for range o.blocks {
		for i, mode := range []string{"bare", "steps"} {
			took, err := foreign(o.bare, mode, count, rounds)
			if err != nil {
				return errors.Join(err, ours.stop())
			}
			sides[i].took = append(sides[i].took, took...)
		}
		if err := ours.block(sides[2], rounds); err != nil {
			return errors.Join(err, ours.stop())
		}
	}
	for _, s := range sides {
		s.print(count, sides[0])
	}
	return ours.stop()
}

func (s *sample) print(count int, base *sample) {
	fmt.Printf("%5d  %-9s %9.1f %7.2f %9.1f %7.2f %9.1f", count, s.name,
		s.at(50), s.at(50)/base.at(50), s.at(99), s.at(99)/base.at(99), s.mean())
	if s.parent > 0 {
		n := uint64(len(s.took))
		fmt.Printf("  %.1f, %.1f", float64(s.parent)/float64(n), float64(s.worker)/float64(n))
	}
	fmt.Println()
}

// at is a percentile in microseconds.
func (s *sample) at(percent int) float64 {
	sorted := slices.Sorted(slices.Values(s.took))
	return float64(sorted[(len(sorted)-1)*percent/100]) / 1000
}

func (s *sample) mean() float64 {
	sum := 0.0
	for _, ns := range s.took {
		sum += float64(ns)
	}
	return sum / float64(len(s.took)) / 1000
}

// foreign is one turn of the C program.
func foreign(program, mode string, count, rounds int) ([]uint32, error) {
	cmd := exec.Command(program, mode, strconv.Itoa(count), strconv.Itoa(rounds))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", program, mode, err)
	}
	took := make([]uint32, rounds)
	return took, binary.Read(bytes.NewReader(out), binary.NativeEndian, took)
}

// pair is our side: this process and a worker, joined for all turns.
type pair struct {
	conn  *scmrights.Conn
	cmd   *exec.Cmd
	items []scmrights.Item
	file  *os.File
}

func start(count int) (*pair, error) {
	file, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	parent, end, err := scmrights.Pair()
	if err != nil {
		return nil, err
	}
	p := &pair{file: file, cmd: exec.Command("/proc/self/exe")}
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
		p.items = append(p.items, scmrights.Item{Name: "grant." + strconv.Itoa(i), Kind: scmrights.KindFile, Mode: scmrights.ModeMove, File: file})
	}
	return p, p.conn.Welcome(1)
}

// block is one turn: rounds hand-overs, one after the other.
func (p *pair) block(s *sample, rounds int) error {
	for range rounds / 10 {
		if err := p.round(); err != nil {
			return err
		}
	}
	s.took = slices.Grow(s.took, rounds)
	theirs, err := p.allocations()
	if err != nil {
		return err
	}
	ours := mallocs()
	last := time.Now()
	for range rounds {
		if err := p.round(); err != nil {
			return err
		}
		now := time.Now()
		s.took = append(s.took, uint32(now.Sub(last)))
		last = now
	}
	s.parent += mallocs() - ours
	after, err := p.allocations()
	s.worker += after - theirs
	return err
}

func (p *pair) round() error {
	ctx := context.Background()
	grants, err := p.conn.Offer(scmrights.Trusted("a benchmark"), p.items)
	if err != nil {
		return err
	}
	for _, g := range grants {
		if err := g.Wait(ctx); err != nil {
			return err
		}
		if err := g.Close(); err != nil {
			return err
		}
	}
	return nil
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
	return errors.Join(p.conn.Close(), p.cmd.Wait(), p.file.Close())
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
			if err := g.File.Close(); err != nil {
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
