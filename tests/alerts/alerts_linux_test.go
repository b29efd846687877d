package alerts_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/internal/bus"
	"sallyport/internal/testenv"
	"sallyport/tests/results"
)

// The workers; each has a uid and gid of its own.
const (
	sampler = 1 + iota
	store
	alarm
	firstID = 41000
)

var receivers = []uint32{store, alarm}

func openBus(t *testing.T) *bus.Bus {
	t.Helper()
	b, err := bus.New(bus.Config{
		Queues: []bus.Queue{{Name: "readings", UrgentBytes: 8192, RoutineBytes: 4096,
			UrgentBands: map[string]uint16{"alert": 1}, RoutineBands: map[string]uint16{"reading": 9}}},
		Members: []bus.Member{
			{ID: sampler, GID: firstID + sampler, Name: "sampler", Queue: "readings", Send: []string{"*"}},
			{ID: store, GID: firstID + store, Name: "store", Queue: "readings", Receive: []string{"*"}},
			{ID: alarm, GID: firstID + alarm, Name: "alarm", Queue: "readings", Receive: []string{"*"}},
		},
	})
	must(t, err)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, id := range []uint32{sampler, store, alarm} {
		must(t, b.Permit(id))
	}
	return b
}

// account is who acted on what, and what the sender said.
type account struct {
	mu      sync.Mutex
	acted   map[uint32][]int // by receiver, how often on each number
	lost    map[uint32]map[int]bool
	refused []string
	kills   int
	last    string // the sender's last line
}

// hear adds up the records of the receivers until the pipe ends.
func (a *account) hear(r io.Reader) {
	in := bufio.NewReader(r)
	var record [recordSize]byte
	for {
		if _, err := io.ReadFull(in, record[:]); err != nil {
			return
		}
		from, n := binary.LittleEndian.Uint32(record[:]), binary.LittleEndian.Uint32(record[4:])
		a.mu.Lock()
		a.acted[from][n]++
		a.mu.Unlock()
	}
}

// listen reads the sender's lines until it ends.
func (a *account) listen(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text := lines.Text()
		a.mu.Lock()
		var to uint32
		var n int
		switch verb, rest, _ := strings.Cut(text, " "); verb {
		case "lost":
			_, _ = fmt.Sscan(rest, &to, &n)
			a.lost[to][n] = true
		case "refused":
			a.refused = append(a.refused, rest)
		default:
			a.last = text
		}
		a.mu.Unlock()
	}
}

// TestNoAlertIsLostInSilence kills receivers while alerts are under way.
func TestNoAlertIsLostInSilence(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	n := int(number(t, "N", 400))
	seed := number(t, "SEED", uint64(time.Now().UnixNano()))
	t.Logf("seed %d", seed)
	began := time.Now()
	b := openBus(t)
	a := &account{acted: map[uint32][]int{}, lost: map[uint32]map[int]bool{}}
	for _, id := range receivers {
		a.acted[id], a.lost[id] = make([]int, n+1), map[int]bool{}
	}
	hear, acts, err := os.Pipe()
	must(t, err)
	listen, words, err := os.Pipe()
	must(t, err)
	var reading sync.WaitGroup
	reading.Go(func() { a.hear(hear) })
	reading.Go(func() { a.listen(listen) })

	sent := make(chan struct{})
	var lives sync.WaitGroup
	for i, id := range receivers {
		lives.Go(func() { a.live(t, b, id, rand.New(rand.NewPCG(seed, uint64(i+2))), acts, sent) })
	}
	sender := (&orders{Worker: sampler, Epoch: 1, N: n, Seed: seed}).start(t, b, words)
	words.Close()
	go a.tap(b, sent)
	err = sender.Wait()
	close(sent)
	lives.Wait()
	acts.Close()
	reading.Wait()
	must(t, err)
	a.judge(t, n, seed, began)
}

// live is a receiver over all its lives: each is killed after a while, in the
// middle of whatever it does, and the last one when the sender has ended.
func (a *account) live(t *testing.T, b *bus.Bus, id uint32, r *rand.Rand, acts *os.File, sent <-chan struct{}) {
	for epoch := uint32(1); ; epoch++ {
		cmd := (&orders{Worker: id, Epoch: epoch}).start(t, b, acts)
		select {
		case <-time.After(time.Duration(10+r.IntN(240)) * time.Millisecond):
			a.mu.Lock()
			a.kills++
			a.mu.Unlock()
		case <-sent:
			time.Sleep(50 * time.Millisecond) // what is in its hand; the sender has all acknowledgements
			end(t, cmd)
			return
		}
		end(t, cmd)
	}
}

func end(t *testing.T, cmd *exec.Cmd) {
	var exit *exec.ExitError
	_ = cmd.Process.Kill()
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.String() != "signal: killed" {
		t.Errorf("a receiver ended by itself: %v", err)
	}
}

// tap empties the supervisor's own lane now and then, as a slow supervisor would.
func (a *account) tap(b *bus.Bus, sent <-chan struct{}) {
	for {
		select {
		case <-sent:
			return
		case <-time.After(100 * time.Millisecond):
			_ = b.Empty(context.Background(), "readings/tap/sampler/@tap", func(bus.Left) {})
		}
	}
}

// judge wants every number with every receiver, acted on or said to be lost.
func (a *account) judge(t *testing.T, n int, seed uint64, began time.Time) {
	silent, lost, again := 0, 0, 0
	for _, id := range receivers {
		for i := 1; i <= n; i++ {
			switch times := a.acted[id][i]; {
			case times == 0 && !a.lost[id][i]:
				if silent++; silent <= 5 {
					t.Errorf("alert %d never reached worker %d, and nobody said so", i, id)
				}
			case times == 0:
				lost++
			default:
				again += times - 1
			}
		}
	}
	for _, why := range a.refused[:min(5, len(a.refused))] {
		t.Errorf("refused: alert %s", why)
	}
	var readings, dropped, waiting int
	if _, err := fmt.Sscanf(a.last, "sent %d %d %d", &readings, &dropped, &waiting); err != nil || waiting > 0 {
		t.Errorf("the sender's last words: %q, %v", a.last, err)
	}
	t.Logf("%d alerts to each of %d receivers, %d kills: %d reported lost, %d acted on twice; %d readings entered, %d found their lane full",
		n, len(receivers), a.kills, lost, again, readings, dropped)
	if a.kills == 0 || dropped == 0 {
		t.Errorf("%d kills, %d readings dropped: nothing was tried", a.kills, dropped)
	}
	file := os.Getenv("RESULTS")
	if file == "" {
		return
	}
	r := results.New(fmt.Sprintf("make soak-alerts N=%d SEED=%d", n, seed), began)
	for _, l := range []struct {
		key   string
		value any
	}{{"seed", seed}, {"alerts", n}, {"receivers", len(receivers)}, {"kills", a.kills}, {"silent", silent}, {"refused", len(a.refused)},
		{"reported_lost", lost}, {"acted_twice", again}, {"readings", readings}, {"readings_dropped", dropped}} {
		r.Add(l.key, l.value)
	}
	must(t, results.Append(file, r))
}
