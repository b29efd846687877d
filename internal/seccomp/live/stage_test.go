package live_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/seccomp"
	"sallyport/internal/seccomp/scmp"
	"sallyport/internal/sys"
	"sallyport/internal/testenv"
	"sallyport/policy"
)

const stageVariable = "SALLYPORT_TEST_STAGE"

func TestMain(m *testing.M) {
	if exe := os.Getenv(stageVariable); exe != "" {
		fmt.Println("stage:", stage(exe))
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(victimDir)
	_ = os.RemoveAll(callsDir)
	os.Exit(code)
}

// stage loads the filter from descriptor 3 on this thread and becomes the victim.
func stage(exe string) error {
	runtime.LockOSThread()
	filter, err := io.ReadAll(os.NewFile(3, "filter"))
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	listener, err := sys.SeccompLoad(filter)
	if err != nil {
		return err
	}
	os.Stdout.WriteString(fmt.Sprintf("LISTENER %d\n", listener))
	return syscall.Exec(exe, append([]string{"victim"}, os.Args[1:]...), []string{"GOMAXPROCS=2"})
}

var victimDir string // set by buildVictim

var buildVictim = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sallyport-victim-")
	if err != nil {
		return "", err
	}
	victimDir = dir
	exe := filepath.Join(dir, "victim")
	cmd := exec.Command("go", "build", "-o", exe, "./victim")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return exe, nil
})

// notice is one call that the filter handed over, and what was answered.
type notice struct {
	phase    seccomp.Phase
	decision seccomp.Decision
	text     string
}

// run is a victim under a filter.
type run struct {
	bound   *seccomp.Bound
	pid     int
	channel *os.File // the other end of its descriptor 4
	lines   []string // what it printed
	mu      sync.Mutex
	notices []notice
	phase   seccomp.Phase
	status  syscall.WaitStatus
}

// start runs the victim under role. Each notice is answered as the model says;
// a breach ends it, or with forgive is admitted, so that all of them are seen.
func start(t *testing.T, role, deed string, forgive bool, line func(r *run, line string)) *run {
	t.Helper()
	exe, err := buildVictim()
	testenv.Need(t, "the go command", err)
	p, err := seccomp.Parse(role, policy.Files)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Bind(seccomp.Native(), seccomp.Vars{"send_queues": {}, "receive_queues": {}, "block_queues": {}, "frames": {}})
	if err != nil {
		t.Fatal(err)
	}
	program, err := scmp.Compile(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := seccomp.Verify(b, program); err != nil {
		t.Fatal(err)
	}
	r := &run{bound: b}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	r.channel = os.NewFile(uintptr(pair[0]), "channel")
	defer r.channel.Close()
	theirs := os.NewFile(uintptr(pair[1]), "theirs")
	filter, err := os.CreateTemp(t.TempDir(), "filter")
	if err != nil {
		t.Fatal(err)
	}
	defer filter.Close()
	if _, err := filter.Write(program.BPF); err != nil {
		t.Fatal(err)
	}
	if _, err := filter.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", deed)
	cmd.Env = []string{stageVariable + "=" + exe, "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1"}
	cmd.ExtraFiles = []*os.File{filter, theirs}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	r.pid = cmd.Process.Pid
	done := make(chan error, 1)
	out := bufio.NewScanner(stdout)
	for out.Scan() {
		var listener int
		switch text := out.Text(); {
		case strings.HasPrefix(text, "LISTENER "):
			fmt.Sscanf(text, "LISTENER %d", &listener)
			fd, err := fetch(r.pid, listener)
			if err != nil {
				t.Fatal(err)
			}
			go func() { done <- r.watch(fd, forgive) }()
		case text == "READY":
			r.mu.Lock()
			r.phase = seccomp.Running
			r.mu.Unlock()
			if _, err := r.channel.Write([]byte("go")); err != nil {
				t.Error(err)
			}
			fallthrough
		default:
			r.lines = append(r.lines, text)
			if line != nil {
				line(r, text)
			}
		}
	}
	_ = cmd.Wait()
	r.status = cmd.ProcessState.Sys().(syscall.WaitStatus)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if stderr.Len() > 0 {
		r.lines = append(r.lines, strings.Split(stderr.String(), "\n")...)
	}
	return r
}

func fetch(pid, fd int) (int, error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(pidfd)
	return unix.PidfdGetfd(pidfd, fd, 0)
}

// watch answers notices until the last task under the filter is gone.
func (r *run) watch(listener int, forgive bool) error {
	defer unix.Close(listener)
	for {
		fds := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		ready, err := unix.Poll(fds, 30_000)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case ready == 0:
			return errors.New("no notice and no end within 30 s")
		case fds[0].Revents&unix.POLLIN == 0:
			return nil // POLLHUP
		}
		n, err := sys.SeccompReceive(listener)
		if err != nil {
			continue // gone, or interrupted: poll again
		}
		switch d := r.judge(n, forgive); d.Action {
		case seccomp.Errno:
			_ = sys.SeccompAnswer(listener, n.ID, int32(d.Errno))
		case seccomp.Continue:
			_ = sys.SeccompContinue(listener, n.ID)
		default:
			_ = unix.Kill(r.pid, unix.SIGKILL)
		}
	}
}

// judge notes the notice with the model's decision, and returns what is answered.
func (r *run) judge(n sys.SeccompNotice, forgive bool) seccomp.Decision {
	r.mu.Lock()
	defer r.mu.Unlock()
	nr := uint32(n.Nr)
	if r.phase == seccomp.Launching {
		// The stage of this test executes by path and restores a limit first.
		if seccomp.CallName(r.bound.Arch, nr) == "execve" {
			r.phase = seccomp.Starting
		}
		return seccomp.Decision{Action: seccomp.Continue}
	}
	d := r.bound.Decide(r.phase, nr, n.Args)
	r.notices = append(r.notices, notice{r.phase, d, seccomp.Describe(r.bound.Arch, nr, n.Args)})
	if d.Action == seccomp.Breach && forgive {
		d.Action = seccomp.Continue
	}
	return d
}

func (r *run) breaches() []string {
	var out []string
	for _, n := range r.notices {
		if n.decision.Action == seccomp.Breach {
			out = append(out, n.phase.String()+": "+n.text)
		}
	}
	return out
}

// waitState waits until the victim's main thread is in one of the states of
// /proc/PID/stat.
func waitState(pid int, states string) error {
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return err
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if rest != "" && strings.Contains(states, rest[:1]) {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("process %d: not in state %s", pid, states)
}
