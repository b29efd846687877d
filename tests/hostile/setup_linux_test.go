package hostile_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/bus"
	"sallyport/internal/lane"
	"sallyport/internal/launch"
	"sallyport/internal/seccomp"
	"sallyport/internal/seccomp/scmp"
	"sallyport/policy"
)

// builtVariable hands the binaries to a test that runs itself again.
const builtVariable = "SALLYPORT_HOSTILE_BUILT"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv(builtVariable) != "" || os.Geteuid() != 0 {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "hostile-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv(builtVariable, dir)
	return m.Run()
}

func build(dir string) error {
	for name, pkg := range map[string]string{"stage": "sallyport/cmd/worker", "victim": "./victim"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
		}
	}
	return os.Chmod(dir, 0o755)
}

// Workers of the tests. Each has a uid and gid of its own.
const (
	sampler = 1 + iota
	store
	alarm
	rogue
	firstID = 40000
)

var (
	workers  = []uint32{sampler, store, alarm, rogue}
	names    = map[uint32]string{sampler: "sampler", store: "store", alarm: "alarm", rogue: "rogue"}
	profiles = map[uint32]string{sampler: "sensor-read", store: "append-only", alarm: "gpio-line", rogue: "sensor-read"}
)

// mark of the lanes; only tests that call Watch are touched by it.
var mark = bus.Mark{Percent: 50, For: time.Second}

// openBus makes the lanes of a sampler that sends all, a rogue that sends
// readings, a store that receives all and an alarm that receives alerts, as the
// supervisor does, and opens them.
func openBus(t *testing.T) *bus.Bus { return openBusThat(t, lane.DropNew) }

// openBusThat is openBus with a rule for a full routine lane.
func openBusThat(t *testing.T, full lane.Rule) *bus.Bus {
	t.Helper()
	all := []string{"*"}
	member := func(id uint32) bus.Member {
		return bus.Member{ID: id, GID: firstID + id, Name: names[id], Queue: "readings"}
	}
	members := []bus.Member{member(sampler), member(store), member(alarm), member(rogue)}
	members[0].Send, members[1].Receive, members[2].Receive, members[3].Send = all, all, []string{"alert"}, []string{"reading"}
	b, err := bus.New(bus.Config{
		Queues: []bus.Queue{{
			Name: "readings", UrgentBytes: 4096, RoutineBytes: 8192,
			UrgentBands: map[string]uint16{"alert": 1}, RoutineBands: map[string]uint16{"reading": 9},
			UrgentMark: mark, RoutineMark: mark, Full: full,
		}},
		Members: members, TapBytes: 4096,
	})
	must(t, err)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, id := range workers {
		must(t, b.Permit(id))
	}
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// worker is a victim and the parent's end of its channel.
type worker struct {
	t       *testing.T
	id      uint32
	channel *os.File
	process *launch.Process // nil without a filter
	mu      sync.Mutex
	stopped []int32 // numbers of the calls that the filter gave notice of
}

// bare starts a worker with its user and no filter.
func bare(t *testing.T, id uint32) *worker {
	t.Helper()
	w, theirs := newWorker(t, id)
	cmd := exec.Command(filepath.Join(os.Getenv(builtVariable), "victim"))
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: firstID + id, Gid: firstID + id}, Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	theirs.Close()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	w.expectUp()
	return w
}

// confined starts a worker as the supervisor does, with the filter of its
// profile. With forgive a breach is written down and the call fails with EPERM,
// so that one process can try much; else it ends the worker.
func confined(t *testing.T, b *bus.Bus, id uint32, forgive bool) *worker {
	t.Helper()
	w, theirs := newWorker(t, id)
	defer theirs.Close()
	bound, filter := compile(t, b, id)
	stage, err := os.Open(filepath.Join(os.Getenv(builtVariable), "stage"))
	must(t, err)
	defer stage.Close()
	exe, err := os.Open(filepath.Join(os.Getenv(builtVariable), "victim"))
	must(t, err)
	defer exe.Close()
	l, err := launch.New(stage)
	must(t, err)
	phases := map[launch.Phase]seccomp.Phase{
		launch.Launching: seccomp.Launching, launch.Starting: seccomp.Starting, launch.Running: seccomp.Running,
	}
	w.process, err = l.Start(context.Background(), launch.Spec{
		Name: names[id], Exe: exe, Env: []string{"GOMAXPROCS=2"}, UID: firstID + id, GID: firstID + id, Filter: filter, Channel: theirs,
		Decide: func(phase launch.Phase, nr int32, args [6]uint64) launch.Verdict {
			switch d := bound.Decide(phases[phase], uint32(nr), args); d.Action {
			case seccomp.Continue:
				return launch.Verdict{Continue: true}
			case seccomp.Errno:
				return launch.Verdict{Errno: int32(d.Errno)}
			}
			w.mu.Lock()
			w.stopped = append(w.stopped, nr)
			w.mu.Unlock()
			if forgive {
				return launch.Verdict{Errno: int32(unix.EPERM)}
			}
			return launch.Verdict{}
		},
	})
	must(t, err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil { // ends the worker
			t.Error(err)
		}
	})
	w.expectUp()
	w.process.SetPhase(launch.Running)
	return w
}

// compile makes the filter from the same table as the modes.
func compile(t *testing.T, b *bus.Bus, id uint32) (*seccomp.Bound, []byte) {
	t.Helper()
	r := b.Rights(id)
	vars := seccomp.Vars{"self_pid": {seccomp.PIDTemplate}, "send_queues": {}, "receive_queues": {}, "block_queues": {}, "frames": {}}
	for _, q := range r.Send {
		vars["send_queues"] = append(vars["send_queues"], uint64(q))
	}
	for _, q := range r.Block {
		vars["block_queues"] = append(vars["block_queues"], uint64(q))
	}
	for _, q := range r.Receive {
		vars["receive_queues"] = append(vars["receive_queues"], uint64(q))
	}
	for _, size := range r.Sizes {
		vars["frames"] = append(vars["frames"], uint64(size))
	}
	p, err := seccomp.Parse(profiles[id], policy.Files)
	must(t, err)
	bound, err := p.Bind(seccomp.Native(), vars)
	must(t, err)
	program, err := scmp.Compile(bound)
	must(t, err)
	must(t, seccomp.Verify(bound, program))
	return bound, program.BPF
}

func newWorker(t *testing.T, id uint32) (w *worker, theirs *os.File) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	w = &worker{t: t, id: id, channel: os.NewFile(uintptr(pair[0]), "channel")}
	t.Cleanup(func() { w.channel.Close() })
	return w, os.NewFile(uintptr(pair[1]), "theirs")
}

func (w *worker) expectUp() {
	w.t.Helper()
	if got := w.hear(); got != "up" {
		w.t.Fatalf("%s says %q, want up", names[w.id], got)
	}
}

func (w *worker) tell(format string, args ...any) {
	w.t.Helper()
	_, err := unix.Write(int(w.channel.Fd()), fmt.Appendf(nil, format, args...))
	must(w.t, err)
}

// hear takes the next answer; "" says that the worker is gone.
func (w *worker) hear() string {
	w.t.Helper()
	fd := int(w.channel.Fd())
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 1000)
		if n == 0 || err == unix.EINTR {
			continue
		}
		must(w.t, err)
		var buf [256]byte
		n, err = unix.Read(fd, buf[:])
		if errors.Is(err, unix.ECONNRESET) {
			return ""
		}
		must(w.t, err)
		return string(buf[:n])
	}
	w.t.Fatalf("%s said nothing for 10 s", names[w.id])
	return ""
}

// do is tell and hear. What the filter stopped is a breach.
func (w *worker) do(format string, args ...any) string {
	w.t.Helper()
	w.mu.Lock()
	w.stopped = nil
	w.mu.Unlock()
	w.tell(format, args...)
	got := w.hear()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.stopped) > 0 {
		return "breach"
	}
	return got
}
