package bus_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/bus"
	"sallyport/internal/lane"
	"sallyport/internal/testenv"
)

const startVariable = "SALLYPORT_TEST_RECEIVER"

// receiverMain turns this process into a worker that prints what it receives,
// when a test started it as one. It has its own uid; its bell is descriptor 3.
func receiverMain() {
	text := os.Getenv(startVariable)
	if text == "" {
		return
	}
	s, err := lane.DecodeStart([]byte(text))
	var r *lane.Receiver
	if err == nil {
		r, err = lane.NewReceiver(lane.ReceiverConfig{Worker: s.Worker.ID, Ins: s.Receive, Bell: os.NewFile(3, "bell")})
	}
	for err == nil {
		var item lane.Item
		if item, err = r.Receive(context.Background()); err == nil {
			_, err = fmt.Printf("%v %d\n", item.Urgent, item.Frame.Seq)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func startReceiver(t *testing.T, b *bus.Bus, id uint32, took func(urgent bool, seq uint64)) (kill func()) {
	t.Helper()
	text, err := (&lane.Start{Worker: lane.StartWorker{ID: id, Name: "store"}, Receive: b.Ins(id), Bell: "bell"}).Encode()
	must(t, err)
	list, err := b.Bells(id)
	must(t, err)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), startVariable+"="+string(text))
	cmd.ExtraFiles = []*os.File{list[0].File}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: firstID + id, Gid: firstID + id}, Pdeathsig: syscall.SIGKILL,
	}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	for _, bell := range list {
		must(t, bell.File.Close())
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var urgent bool
			var seq uint64
			if _, err := fmt.Sscan(lines.Text(), &urgent, &seq); err != nil {
				t.Error(err)
			}
			took(urgent, seq)
		}
	}()
	return func() {
		_ = cmd.Process.Signal(unix.SIGKILL)
		<-done
		_ = cmd.Wait()
	}
}

// A receiver is killed at random moments while readings and alerts come in. Each
// death loses at most the one frame that it had in hand; an alert comes again.
func TestKilledReceiverLosesAtMostOneFrame(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	cfg := config()
	cfg.Queues[0].RoutineBytes = 256 << 10
	cfg.Members = []bus.Member{cfg.Members[0], cfg.Members[1]}
	b := open(t, cfg)
	for id := range uint32(2) {
		must(t, b.Permit(id+1))
	}
	s := sender(t, b, sampler, 1)
	readings, alerts := map[uint64]int{}, map[uint64]int{}
	took := func(urgent bool, seq uint64) { // one receiver at a time
		if urgent {
			alerts[seq]++
		} else {
			readings[seq]++
		}
	}
	const kills, perKill = 20, 100
	for range kills {
		kill := startReceiver(t, b, store, took)
		for i := range perKill {
			must(t, s.Reading(7, "reading", 1, ""))
			if i%10 == 0 {
				must(t, s.Alert(7, "alert", 1, "", "x"))
				s.Tick()
			}
			time.Sleep(time.Duration(rng.IntN(200)) * time.Microsecond)
		}
		kill()
	}
	kill := startReceiver(t, b, store, took)
	for deadline := time.Now().Add(20 * time.Second); ; {
		s.Tick()
		depth, err := b.Depth(store)
		must(t, err)
		left := uint64(0)
		for _, d := range depth {
			if d.To == store {
				left += d.Messages
			}
		}
		if s.Waiting() == 0 && left == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d alerts wait, %d messages are queued", s.Waiting(), left)
		}
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // the last word on its stdout
	kill()
	const sentReadings, sentAlerts = kills * perKill, kills * perKill / 10
	if lost := sentReadings - len(readings); lost > kills {
		t.Errorf("%d readings lost in %d kills", lost, kills)
	} else {
		t.Logf("%d readings lost in %d kills", lost, kills)
	}
	if len(alerts) != sentAlerts {
		t.Errorf("%d of %d alerts took effect", len(alerts), sentAlerts)
	}
	for seq, n := range readings {
		if n != 1 {
			t.Errorf("reading %d came %d times", seq, n)
		}
	}
	for _, c := range s.Counts() {
		if c.Peer == store && c.Dropped != 0 { // nobody reads the tap here
			t.Errorf("%+v", c)
		}
	}
}
