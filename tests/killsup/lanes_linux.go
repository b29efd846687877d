package killsup

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Lanes says what several lanes play together.
type Lanes struct {
	Programs    string // directory of a build with failpoints
	Dir         string // for the lanes' own
	Lanes       int
	First       int // number of the first lane; each has its own users
	Seed, From  uint64
	Supervisors int // stop when so many were killed, ...
	Workers     int // ... and so many of these
	Cycles      int
	Patience    time.Duration
	Late        time.Duration
	Limit       int
	Sabotage    string // by name, see Lane; or a switch of internal/fault
	Stderr      io.Writer
}

// order is what a lane reads first; after it come the numbers of its lives.
type order struct {
	Programs, Dir  string
	IDs            int
	Seed           uint64
	Cycles, Limit  int
	Patience, Late time.Duration
	Sabotage       string
}

// report is what a lane answers to every number.
type report struct {
	N     uint64
	Tally Tally
}

// LaneEnv set to anything makes a program that calls Lane a lane.
const LaneEnv = "SALLYPORT_KILLSUP_LANE"

// Lane is the main function of a lane.
func Lane(sabotages map[string]func(Life) error) error {
	in, out := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(os.Stdout)
	var o order
	if err := in.Decode(&o); err != nil {
		return err
	}
	return Run(Config{Programs: o.Programs, Dir: o.Dir, IDs: o.IDs, Seed: o.Seed, Cycles: o.Cycles, Limit: o.Limit, Patience: o.Patience, Late: o.Late,
		Sabotage: sabotages[o.Sabotage], Switch: o.Sabotage,
		Next: func() (n uint64, more bool) {
			return n, in.Decode(&n) == nil
		},
		Report: func(n uint64, t Tally) { _ = out.Encode(report{n, t}) }, // who does not read it has gone
	})
}

// Play runs lanes, each this program again in namespaces of its own, and gives
// what they found together, and the number of the first life that was not played.
func (c Lanes) Play() (t Tally, next uint64, err error) {
	var (
		wg sync.WaitGroup
		mu sync.Mutex
	)
	next = c.From
	take := func() (n uint64, more bool) {
		mu.Lock()
		defer mu.Unlock()
		if t.Supervisors >= c.Supervisors && t.Workers >= c.Workers || len(t.Findings) >= max(1, c.Limit) || err != nil {
			return 0, false
		}
		next++
		return next - 1, true
	}
	for i := range c.Lanes {
		wg.Go(func() {
			e := c.lane(i, take, func(r report) {
				mu.Lock()
				defer mu.Unlock()
				t.Add(r.Tally)
			})
			mu.Lock()
			defer mu.Unlock()
			if e != nil && err == nil {
				err = fmt.Errorf("lane %d: %w", i, e)
			}
		})
	}
	wg.Wait()
	return t, next, err
}

func (c Lanes) lane(i int, take func() (uint64, bool), add func(report)) error {
	dir := filepath.Join(c.Dir, fmt.Sprintf("lane%d", i))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), LaneEnv+"=1")
	cmd.Stderr = c.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	talk := func() error {
		defer stdin.Close()
		in, out := json.NewDecoder(stdout), json.NewEncoder(stdin)
		if err := out.Encode(order{c.Programs, dir, firstID + (c.First+i)*idsOfLane, c.Seed, c.Cycles, c.Limit, c.Patience, c.Late, c.Sabotage}); err != nil {
			return err
		}
		for {
			n, more := take()
			if !more {
				return nil
			}
			if err := out.Encode(n); err != nil {
				return err
			}
			var r report
			if err := in.Decode(&r); err != nil {
				return err
			}
			add(r)
		}
	}
	err = talk()
	if ended := cmd.Wait(); ended != nil {
		return ended // it has said why
	}
	if err == io.EOF {
		return nil // it has had its share of findings
	}
	return err
}
