package alerts_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/bus"
	"sallyport/internal/lane"
	"sallyport/internal/reading"
)

// What a child is told, in JSON in its environment. Its bells are descriptors
// from 4 on, in the order of Bells; what it has to say goes to descriptor 3.
type orders struct {
	Worker, Epoch uint32
	Outs          []lane.Out
	Ins           []lane.In
	Bells         []string
	N             int    // of the sender: alerts
	Seed          uint64 // of the sender: of the pauses
}

const variable = "SALLYPORT_TEST_ALERTS"

func TestMain(m *testing.M) {
	if text := os.Getenv(variable); text != "" {
		var o orders
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			panic(err)
		}
		out := os.NewFile(3, "report")
		if len(o.Outs) > 0 && o.N > 0 {
			o.send(out)
		} else {
			o.receive(out)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func (o *orders) bells() map[string]*os.File {
	files := map[string]*os.File{}
	for i, name := range o.Bells {
		_ = unix.SetNonblock(4+i, true) // os/exec takes it away
		files[name] = os.NewFile(uintptr(4+i), name)
	}
	return files
}

// start runs one of the workers of the bus in a process with its own user.
func (o *orders) start(t testing.TB, b *bus.Bus, report *os.File) *exec.Cmd {
	t.Helper()
	o.Outs, o.Ins, o.Bells = b.Outs(o.Worker), b.Ins(o.Worker), nil
	list, err := b.Bells(o.Worker)
	must(t, err)
	cmd := exec.Command("/proc/self/exe")
	cmd.ExtraFiles = []*os.File{report}
	for _, bell := range list {
		o.Bells = append(o.Bells, bell.Name)
		cmd.ExtraFiles = append(cmd.ExtraFiles, bell.File)
		defer bell.File.Close()
	}
	text, err := json.Marshal(o)
	must(t, err)
	cmd.Env = append(os.Environ(), variable+"="+string(text), "GOMAXPROCS=2")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
		Credential: &syscall.Credential{Uid: firstID + o.Worker, Gid: firstID + o.Worker}}
	must(t, cmd.Start())
	return cmd
}

// send raises N alerts, 100 to 1,000 a second, each with its number as value,
// beside readings without a pause. It says a line for everything that a test
// wants to know: "lost TO NUMBER", "refused NUMBER WHY", and at the end "sent
// READINGS DROPPED RESENT".
func (o *orders) send(out *os.File) {
	say := bufio.NewWriter(out)
	s, err := lane.NewSender(lane.SenderConfig{Worker: o.Worker, Epoch: o.Epoch, Outs: o.Outs, Bells: o.bells(),
		Lost: func(to uint32, f reading.Frame) { fmt.Fprintf(say, "lost %d %d\n", to, int(f.Value)) }})
	if err != nil {
		panic(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // readings keep their lanes full
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			_ = s.Reading(1, "reading", float64(i), "")
			if i%64 == 0 {
				time.Sleep(time.Millisecond) // the machine is not ours alone
			}
		}
	}()
	r := rand.New(rand.NewPCG(o.Seed, 1))
	next, rate, tick := time.Now(), 1000, time.Now()
	for i := 1; i <= o.N; i++ {
		if i%500 == 1 {
			rate = 100 + r.IntN(901) // a second
		}
		if err := s.Alert(1, "alert", float64(i), "", ""); err != nil {
			fmt.Fprintf(say, "refused %d %q\n", i, err)
		}
		if time.Since(tick) > 100*time.Millisecond {
			tick = time.Now()
			s.Tick()
		}
		next = next.Add(time.Second / time.Duration(rate))
		time.Sleep(time.Until(next))
	}
	close(stop)
	<-stopped
	for end := time.Now().Add(60 * time.Second); s.Waiting() > 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		s.Tick()
	}
	var sent, dropped uint64
	for _, c := range s.Counts() {
		if !c.Urgent {
			sent, dropped = sent+c.Taken, dropped+c.Dropped
		}
	}
	fmt.Fprintf(say, "sent %d %d %d\n", sent, dropped, s.Waiting())
	if err := say.Flush(); err != nil {
		panic(err)
	}
}

// recordSize is that of what a receiver writes when it acts on an alert: its
// worker and the number. A write of so little into a pipe is whole or not there.
const recordSize = 8

// receive acts on what comes, for ever: it writes down the number of an alert.
func (o *orders) receive(out *os.File) {
	r, err := lane.NewReceiver(lane.ReceiverConfig{Worker: o.Worker, Ins: o.Ins, Bell: o.bells()["bell"]})
	if err != nil {
		panic(err)
	}
	for {
		item, err := r.Receive(context.Background())
		if err != nil {
			panic(err)
		}
		if !item.Urgent {
			continue
		}
		time.Sleep(100 * time.Microsecond) // acting takes a while, in which it may be killed
		var record [recordSize]byte
		binary.LittleEndian.PutUint32(record[:], o.Worker)
		binary.LittleEndian.PutUint32(record[4:], uint32(item.Frame.Value))
		if _, err := out.Write(record[:]); err != nil {
			panic(err)
		}
	}
}

func number(t testing.TB, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	must(t, err)
	return n
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
