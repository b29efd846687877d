package sysv_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/examples/sysv"
	"sallyport/internal/testenv"
	"sallyport/pkg/sysvctl"
)

const (
	binVariable = "SALLYPORT_TEST_EXAMPLES"
	deadline    = 20 * time.Second
)

func TestMain(m *testing.M) {
	if os.Getenv(binVariable) != "" { // a child of private
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "sallyport-examples-")
	if err == nil {
		cmd := exec.Command("go", "build", "-buildvcs=false", "-o", dir+"/", "./...")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		cmd.Stderr = os.Stderr
		err = errors.Join(cmd.Run(), os.Setenv(binVariable, dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// run runs a program to its end, and wants it to succeed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := program(t, name, args...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func program(t *testing.T, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), filepath.Join(os.Getenv(binVariable), name), args...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// running is a program that prints lines and is waited for.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
}

func start(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	p := &running{t, cmd, make(chan string, 64)}
	go func() {
		defer close(p.lines)
		for text := bufio.NewScanner(out); text.Scan(); {
			p.lines <- text.Text()
		}
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return p
}

func (p *running) says(want string) {
	p.t.Helper()
	select {
	case got := <-p.lines:
		if !strings.Contains(got, want) {
			p.t.Fatalf("said %q, want %q", got, want)
		}
	case <-time.After(deadline):
		p.t.Fatalf("said nothing, want %q", want)
	}
}

// ends waits for a good end, after which the queue is gone.
func (p *running) ends() {
	p.t.Helper()
	late := time.AfterFunc(deadline, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	for range p.lines { // to the end of its output
	}
	must(p.t, p.cmd.Wait())
	if all, err := sysvctl.List(); err != nil || len(all) != 0 {
		p.t.Errorf("left behind: %+v, %v", all, err)
	}
}

func (p *running) interrupt() {
	p.t.Helper()
	must(p.t, p.cmd.Process.Signal(os.Interrupt))
	p.ends()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// depth waits until so many messages are queued.
func depth(t *testing.T, want uint64) *sysvctl.Queue {
	t.Helper()
	for began := time.Now(); time.Since(began) < deadline; time.Sleep(2 * time.Millisecond) {
		q, err := sysvctl.Open(sysv.Key, sysvctl.Wanted{})
		if err != nil {
			continue
		}
		if st, err := q.Stat(); err == nil && st.Messages == want {
			return q
		}
	}
	t.Fatalf("never %d messages in the queue", want)
	return nil
}

func TestServerAndClient(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	server := start(t, program(t, "server"))
	server.says("waiting on queue 0")
	if got := run(t, "client", "hello", "there"); got != "got \"hello there\"\n" {
		t.Errorf("reply %q", got)
	}
	server.says(`asked: "hello there"`)
	run(t, "client", "-plain", "by the way")
	server.says(`told: "by the way"`)
	if got := run(t, "client", "-pid", "and I"); !strings.HasPrefix(got, "confirmed to ") {
		t.Errorf("reply %q", got)
	}
	server.says("and I")
	server.interrupt()
	if out, err := program(t, "client", "hello").CombinedOutput(); err == nil {
		t.Errorf("no server, and %q", out)
	}
}

func TestHighPriorityIsFirst(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	const want = "type 1: urgent\ntype 10: routine 1\ntype 10: routine 2\ntype 10: routine 3\ntype 10: routine 4\ntype 10: routine 5\n"
	if got := run(t, "priority"); got != want {
		t.Errorf("in one process:\n%s", got)
	}
	run(t, "priority", "low")
	run(t, "priority", "high")
	if got := run(t, "priority", "serve"); got != want {
		t.Errorf("in three:\n%s", got)
	}
}

func TestLEDFollowsMessages(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	output := filepath.Join(t.TempDir(), "lamp")
	must(t, os.WriteFile(output, []byte("1"), 0o600))
	level := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(output); err != nil || string(got) != want {
			t.Errorf("lamp %q, %v, want %q", got, err, want)
		}
	}
	file, err := os.OpenFile(output, os.O_WRONLY, 0)
	must(t, err)
	defer file.Close()
	granted := program(t, "led", "control", "fd:3")
	granted.ExtraFiles = []*os.File{file}
	for _, controller := range []*exec.Cmd{program(t, "led", "control", output), granted} {
		p := start(t, controller)
		depth(t, 0)
		run(t, "led", "on")
		p.says("ON")
		level("1")
		run(t, "led", "off")
		p.says("OFF")
		level("0")
		run(t, "led", "on")
		p.says("ON")
		run(t, "led", "exit")
		p.ends()
		level("0") // off at the end
	}
}

func TestMonitorFollowsTheQueue(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	run(t, "priority", "low")
	got := run(t, "monitor", "1234")
	for _, want := range []string{"id 0\n", "messages 5\n", "bytes 45 of 16384\n", "last receiver 0\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	must(t, depth(t, 5).Remove())
	if out, err := program(t, "monitor", "0x4d2").Output(); err == nil {
		t.Errorf("no queue, and %q", out)
	}
}

// A program that knows nothing but the C library, on either side.
func TestCProgramBothWays(t *testing.T) {
	peer := filepath.Join(os.Getenv(binVariable), "peer")
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("needs a C compiler")
	}
	if out, err := exec.Command(cc, "-Wall", "-Werror", "-o", peer, "testdata/peer.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !testenv.PrivateIPC(t) {
		return
	}
	server := start(t, program(t, "server"))
	server.says("waiting")
	run(t, "peer", "send")
	server.says(`told: "Hello from C!"`)
	if got := run(t, "peer", "ask"); !strings.HasPrefix(got, "confirmed to ") {
		t.Errorf("reply %q", got)
	}
	server.says("question")
	server.interrupt()

	c := start(t, program(t, "peer", "serve"))
	depth(t, 0)
	run(t, "client", "-plain", "hello from Go")
	c.says("hello from Go")
	c.ends()

	c = start(t, program(t, "peer", "answer"))
	depth(t, 0)
	if got := run(t, "client", "-pid", "how are you"); got != "answer from C\n" {
		t.Errorf("reply %q", got)
	}
	c.says("how are you")
	c.ends()
}
