package kill

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Config says what is played.
type Config struct {
	Actor  string                                // the program, see Build
	Plan   func(n uint64) (h History, more bool) // history number n, until more is false
	From   uint64                                // the first number
	Points int                                   // stop when this many processes were killed; 0: when the plan ends
	Limit  int                                   // stop after this many findings; 0 is 1
	Stderr *os.File                              // of the actors
	// Sabotage is put into every plan: switches by which an actor does wrong
	// on purpose, so that a test can see it found.
	Sabotage string
	Patience time.Duration // how long a step may take; 0 is 15 s
}

// Tally is what came of it.
type Tally struct {
	From, Next   uint64 // histories From to Next-1 were played
	Points       int    // processes killed at a failpoint
	Lost, Leaked int
	Stuck, Other int // Other: errors of the harness, and processes that ended by themselves
	Hits         map[string]int
	Resent       int // descriptors that were sent more than once
	Revoked      int // descriptors that a worker gave back
	Took         time.Duration
	Words        []string // of what was found
}

// Clean says that nothing was found.
func (t *Tally) Clean() bool { return t.Lost+t.Leaked+t.Stuck+t.Other == 0 }

// Build compiles the actor into dir.
func Build(dir string) (string, error) {
	path := dir + "/actor"
	cmd := exec.Command("go", "build", "-tags", "fault", "-o", path, "sallyport/tests/kill/actor")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build of the actor: %w\n%s", err, out)
	}
	return path, nil
}

// Run plays histories on as many lanes as there are processors.
func Run(cfg Config) (*Tally, error) {
	if err := prepare(); err != nil {
		return nil, err
	}
	if cfg.Patience == 0 {
		cfg.Patience = stuckAfter
	}
	before, err := own()
	if err != nil {
		return nil, err
	}
	r := &runner{cfg: cfg, next: cfg.From, tally: Tally{From: cfg.From, Hits: map[string]int{}}}
	began := time.Now()
	lanes := 2 * runtime.NumCPU() // they wait much of the time
	ready, stop := prefork(cfg, 2*lanes)
	var wg sync.WaitGroup
	for range lanes {
		wg.Go(func() { r.lane(ready) })
	}
	wg.Wait()
	stop()
	r.tally.Next, r.tally.Took = r.next, time.Since(began)
	after, err := own()
	if err == nil && after != before {
		r.note(finding(Leaked, "the harness has %d descriptors, before it had %d", after, before))
	}
	return &r.tally, err
}

// prepare makes this process one that actors can be started from.
func prepare() error {
	// They take descriptors out of it; Yama would let only its ancestors do so.
	// Without Yama the call is EINVAL and not needed.
	_ = unix.Prctl(unix.PR_SET_PTRACER, ^uintptr(0), 0, 0, 0)
	// What this process was started with is not for them (Linux 5.11).
	return os.NewSyscallError("close_range", unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC))
}

type spawned struct {
	a   *actor
	err error
}

// prefork starts processes ahead of their use, so that a lane does not wait for
// an exec.
func prefork(cfg Config, ahead int) (ready chan spawned, stop func()) {
	ready = make(chan spawned, ahead)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			a, err := start([]string{cfg.Actor}, cfg.Stderr)
			select {
			case ready <- spawned{a, err}:
			case <-ctx.Done():
				a.discard()
				return
			}
			if err != nil {
				return
			}
		}
	})
	return ready, func() {
		cancel()
		wg.Wait()
		close(ready)
		for s := range ready {
			s.a.discard()
		}
	}
}

type runner struct {
	cfg  Config
	mu   sync.Mutex
	next uint64
	over bool

	tally Tally
}

func (r *runner) lane(ready chan spawned) {
	l := &lane{sabotage: r.cfg.Sabotage, patience: r.cfg.Patience, killed: map[string]int{}, spawn: func() (*actor, error) { s := <-ready; return s.a, s.err }}
	for {
		n, h, more := r.take()
		if !more {
			break
		}
		err := l.run(h)
		r.add(l)
		if err != nil {
			r.note(fmt.Errorf("history %d: %w", n, err))
		}
	}
	l.parent.discard()
	l.worker.discard()
}

func (r *runner) take() (n uint64, h History, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || r.cfg.Points > 0 && r.tally.Points >= r.cfg.Points {
		return 0, h, false
	}
	n = r.next
	if h, more = r.cfg.Plan(n); more {
		r.next++
	}
	return n, h, more
}

func (r *runner) add(l *lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for point, n := range l.killed {
		r.tally.Hits[point] += n
		r.tally.Points += n
	}
	r.tally.Resent += l.resent
	r.tally.Revoked += l.revoked
	clear(l.killed)
	l.resent, l.revoked = 0, 0
}

func (r *runner) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &r.tally
	var f *Finding
	switch errors.As(err, &f); {
	case f == nil:
		t.Other++
	case f.Sort == Lost:
		t.Lost++
	case f.Sort == Leaked:
		t.Leaked++
	case f.Sort == Stuck:
		t.Stuck++
	}
	t.Words = append(t.Words, err.Error())
	r.over = len(t.Words) >= max(r.cfg.Limit, 1)
}
