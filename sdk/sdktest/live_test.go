package sdktest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// What the peers in testdata do when they are told.
const (
	msgReport uint16 = 100 + iota
	msgKeep          // 1: keep what comes; 0: give back what was kept
	msgFill          // use up every descriptor number but so many
	msgDrain         // and free them again
	msgPing          // send a PING
)

const patience = 60 * time.Second

var trusted = scmrights.Trusted("a test")

// peer is a program of another language at the end of a channel.
type peer struct {
	t      *testing.T
	conn   *scmrights.Conn
	cmd    *exec.Cmd
	errors bytes.Buffer
	out    bytes.Buffer
	waited bool
}

// start runs the program with the worker's end of a channel as descriptor 3.
func start(t *testing.T, l language, program string, env ...string) (*peer, *os.File) {
	t.Helper()
	p := &peer{t: t, cmd: l.command(t, program)}
	parent, end, err := scmrights.Pair()
	if err != nil {
		t.Fatal(err)
	}
	if p.cmd.Env == nil {
		p.cmd.Env = os.Environ()
	}
	p.cmd.Env = append(p.cmd.Env, scmrights.ChannelVariable+"=3")
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.ExtraFiles = []*os.File{end}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errors
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end.Close()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		p.wait()
		if p.errors.Len() != 0 && t.Failed() {
			t.Logf("the peer said: %s", p.errors.String())
		}
	})
	return p, parent
}

// wait gives the exit code of a peer that is to end by itself; one that does not
// is killed, and its code is -1.
func (p *peer) wait() int {
	if !p.waited {
		late := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
		_ = p.cmd.Wait()
		late.Stop()
		p.waited = true
	}
	return p.cmd.ProcessState.ExitCode()
}

// dial starts the peer of level 2 and greets it.
func dial(t *testing.T, l language, cfg scmrights.Config, env ...string) *peer {
	t.Helper()
	testenv.CheckFDs(t)
	p, parent := start(t, l, "peer", env...)
	cfg.PID = p.cmd.Process.Pid
	var err error
	if p.conn, err = scmrights.NewConn(parent, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.conn.Close() })
	if _, err := p.conn.Hello(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := p.conn.Welcome(7); err != nil {
		t.Fatal(err)
	}
	return p
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (p *peer) tell(kind uint16, body ...byte) {
	p.t.Helper()
	if err := p.conn.Send(kind, body); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) expect(kind uint16) scmrights.Message {
	p.t.Helper()
	for {
		m, err := p.conn.Receive(within(p.t))
		if err != nil {
			p.t.Fatal(err)
		}
		if m.Kind == kind {
			return m
		}
	}
}

type report struct{ verified, wrong, held, open int }

var reportForm = regexp.MustCompile(`^verified (\d+) wrong (\d+) held (\d+) open (\d+)$`)

func (p *peer) report() report {
	p.t.Helper()
	p.tell(msgReport)
	m := reportForm.FindSubmatch(p.expect(msgReport).Body)
	if m == nil {
		p.t.Fatal("the peer reports something else")
	}
	n := func(i int) int { v, _ := strconv.Atoi(string(m[i])); return v }
	return report{n(1), n(2), n(3), n(4)}
}

// item is a memfd with the content that the peers look for, and its name.
func item(t *testing.T, name string, mode scmrights.Mode) scmrights.Item {
	t.Helper()
	return scmrights.Item{Name: name, Kind: scmrights.KindMemfd, Mode: mode, Access: scmrights.AccessBoth, File: memfd(t, "content of "+name+"\n")}
}

func memfd(t *testing.T, text string) *os.File {
	t.Helper()
	n, err := unix.MemfdCreate("item", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(n), "item")
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return f
}

// offer offers items and closes the caller's files, as callers may.
func (p *peer) offer(items ...scmrights.Item) []*scmrights.Grant {
	p.t.Helper()
	grants, err := p.conn.Offer(trusted, items)
	for _, i := range items {
		i.File.Close()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return grants
}

// handOvers makes so many offers: most of one descriptor, some of several, one
// of a hundred, four on their way at a time. It returns how many descriptors.
func (p *peer) handOvers(n int) int {
	p.t.Helper()
	descriptors := 0
	var waiting [][]*scmrights.Grant
	settle := func() {
		for _, g := range waiting[0] {
			if err := g.Wait(within(p.t)); err != nil {
				p.t.Fatal(err)
			}
			if err := g.Close(); err != nil {
				p.t.Fatal(err)
			}
		}
		waiting = waiting[1:]
	}
	for i := range n {
		size := 1
		switch {
		case i == n/2:
			size = 100
		case i%10 == 0:
			size = 5
		}
		var items []scmrights.Item
		for k := range size {
			items = append(items, item(p.t, fmt.Sprintf("item %d.%d", i, k), scmrights.Mode(i%2)))
		}
		descriptors += size
		waiting = append(waiting, p.offer(items...))
		if len(waiting) == 4 {
			settle()
		}
	}
	for len(waiting) > 0 {
		settle()
	}
	return descriptors
}

const handOvers = 1000

// TestThousandHandOvers: every descriptor arrives once and is the right one, and
// neither side keeps one.
func TestThousandHandOvers(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		p := dial(t, l, scmrights.Config{})
		before := p.report()
		descriptors := p.handOvers(handOvers)
		after := p.report()
		if after.verified != descriptors || after.wrong != 0 || after.held != 0 || after.open != before.open {
			t.Errorf("after %d descriptors the peer says %+v, before %+v", descriptors, after, before)
		}
		if b := p.conn.Ledger(); b.Open != 0 || b.Pipes != 0 {
			t.Errorf("the ledger holds %+v", b)
		}
		if err := p.conn.Close(); err != nil {
			t.Error(err)
		}
		if code := p.wait(); code != 0 {
			t.Errorf("the peer ended with %d", code)
		}
	})
}

// TestThousandHandOversLevel1 is the same with a peer of a few lines: no HELLO,
// no epoch, one byte as receipt.
func TestThousandHandOversLevel1(t *testing.T) {
	testenv.CheckFDs(t)
	p, parent := start(t, language{"level 1", python}, "peer1")
	var err error
	if p.conn, err = scmrights.NewConn(parent, scmrights.Config{PID: p.cmd.Process.Pid}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.conn.Close() })
	descriptors := p.handOvers(handOvers)
	if err := p.conn.Close(); err != nil {
		t.Fatal(err)
	}
	p.wait()
	if got, want := p.out.String(), fmt.Sprintf("verified %d wrong 0 left 0\n", descriptors); got != want {
		t.Errorf("the peer printed %q, want %q", got, want)
	}
}

// TestLevel1BecomesProgram: the peer takes what was asked for and becomes a shell.
func TestLevel1BecomesProgram(t *testing.T) {
	testenv.CheckFDs(t)
	l := language{"level 1", func(t *testing.T, _ string) *exec.Cmd {
		cmd := python(t, "")
		cmd.Args = []string{cmd.Args[0], "../python/level1.py", "2", "sh", "-c", "cat <&$FD_cpu_temp; cat <&$FD_load_1"}
		return cmd
	}}
	p, parent := start(t, l, "")
	var err error
	if p.conn, err = scmrights.NewConn(parent, scmrights.Config{PID: p.cmd.Process.Pid}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.conn.Close() })
	for _, name := range []string{"cpu_temp", "load.1"} {
		i := item(t, name, scmrights.ModeMove)
		if _, err := i.File.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		if err := p.offer(i)[0].Wait(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	p.wait()
	if got, want := p.out.String(), "content of cpu_temp\ncontent of load.1\n"; got != want {
		t.Errorf("the shell printed %q, want %q", got, want)
	}
}

// TestRefusals: what is not wanted comes back, one by one, and the rest is taken.
func TestRefusals(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		p := dial(t, l, scmrights.Config{})
		before := p.report()
		for range 50 {
			grants := p.offer(item(t, "unwanted", scmrights.ModeMove), item(t, "wanted", scmrights.ModeMove), item(t, "unwanted too", scmrights.ModeShare))
			for i, g := range grants {
				err := g.Wait(within(t))
				if i == 1 && err != nil {
					t.Fatal(err)
				}
				if i != 1 && (!errors.Is(err, scmrights.ErrRefused) || g.Status() != scmrights.StatusNotWanted || g.Attempts() != 1) {
					t.Fatalf("%s: %v, %v after %d attempts", g.Name(), err, g.Status(), g.Attempts())
				}
				_ = g.Close()
			}
		}
		if after := p.report(); after.verified != 50 || after.wrong != 0 || after.open != before.open {
			t.Errorf("the peer says %+v, before %+v", after, before)
		}
	})
}

// TestNoRoom: a peer takes no more than its limit, says so slot by slot, and
// gets the rest when it has given back what it held.
func TestNoRoom(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		p := dial(t, l, scmrights.Config{Resends: 8}, "PEER_LIMIT=4")
		if h, err := p.conn.Hello(within(t)); err != nil || h.Credit != 4 {
			t.Fatalf("%+v, %v, want a credit of 4", h, err)
		}
		p.tell(msgKeep, 1)
		for i := range 3 {
			if err := p.offer(item(t, fmt.Sprintf("kept %d", i), scmrights.ModeMove))[0].Wait(within(t)); err != nil {
				t.Fatal(err)
			}
		}
		p.report() // and so its CREDIT is in
		one := item(t, "last", scmrights.ModeMove)
		if _, err := p.conn.Offer(trusted, []scmrights.Item{one, one}); err == nil {
			t.Error("two descriptors were offered to a peer with room for one")
		}
		grant := p.offer(one)[0]
		if err := grant.Wait(within(t)); err != nil {
			t.Fatal(err)
		}
		p.report()
		more := item(t, "more", scmrights.ModeMove)
		if _, err := p.conn.Offer(trusted, []scmrights.Item{more}); !errors.Is(err, scmrights.ErrBusy) {
			t.Errorf("offered to a full peer: %v", err)
		}
		p.tell(msgKeep, 0)
		if r := p.report(); r.held != 0 {
			t.Errorf("the peer still holds %d", r.held)
		}
		p.tell(msgKeep, 1)
		if err := p.offer(more)[0].Wait(within(t)); err != nil {
			t.Error(err)
		}
		if r := p.report(); r.verified != 5 || r.held != 1 || r.wrong != 0 {
			t.Errorf("the peer says %+v", r)
		}
	})
}

// TestFullTable: a peer with too few free descriptor numbers loses what is sent
// to it, closes the part that came, the parent knows by the receipt pipe, and
// sends it again.
func TestFullTable(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		for free := range byte(3) {
			t.Run(fmt.Sprint(free), func(t *testing.T) { fullTable(t, l, free) })
		}
	})
}

func fullTable(t *testing.T, l language, free byte) {
	p := dial(t, l, scmrights.Config{Resends: 8})
	before := p.report()
	p.tell(msgFill, free)
	p.expect(msgFill)
	grants := p.offer(item(t, "first", scmrights.ModeMove), item(t, "second", scmrights.ModeShare))
	resent(t, grants[0])
	p.tell(msgDrain)
	p.expect(msgDrain)
	for _, g := range grants {
		if err := g.Wait(within(t)); err != nil {
			t.Fatalf("%s: %v", g.Name(), err)
		}
	}
	if after := p.report(); after.verified != 2 || after.wrong != 0 || after.open != before.open {
		t.Errorf("the peer says %+v, before %+v", after, before)
	}
}

// resent waits until a grant has been sent for the second time.
func resent(t *testing.T, g *scmrights.Grant) {
	t.Helper()
	for end := time.Now().Add(patience); g.Attempts() < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s is %s after one attempt", g.Name(), g.State())
		}
	}
}

// TestFullTableLevel1 is the same for the peer of a few lines.
func TestFullTableLevel1(t *testing.T) {
	p, parent := start(t, language{"level 1", python}, "peer1")
	var err error
	if p.conn, err = scmrights.NewConn(parent, scmrights.Config{Resends: 8}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.conn.Close() })
	if err := p.offer(item(t, "zero", scmrights.ModeMove))[0].Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	pid := p.cmd.Process.Pid
	few := unix.Rlimit{Max: 1024}
	for free, start := 0, time.Now(); free < 2; few.Cur++ {
		link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, few.Cur))
		switch {
		case err != nil:
			free++
		case strings.HasPrefix(link, "/memfd:") && time.Since(start) < patience:
			free, few.Cur = 0, 0 // it has not closed the first one yet: look again
		}
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
		t.Fatal(err)
	}
	grants := p.offer(item(t, "first", scmrights.ModeMove), item(t, "second", scmrights.ModeShare))
	resent(t, grants[0])
	few.Cur = 256
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
		t.Fatal(err)
	}
	for _, g := range grants {
		if err := g.Wait(within(t)); err != nil {
			t.Fatalf("%s: %v", g.Name(), err)
		}
	}
	if err := p.conn.Close(); err != nil {
		t.Fatal(err)
	}
	p.wait()
	if got, want := p.out.String(), "verified 3 wrong 0 left 0\n"; got != want {
		t.Errorf("the peer printed %q, want %q", got, want)
	}
}

// TestKilledPeer: what a killed peer never read is lost and can be had back;
// what it had taken is delivered.
func TestKilledPeer(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		p := dial(t, l, scmrights.Config{})
		p.tell(msgKeep, 1)
		taken := p.offer(item(t, "taken", scmrights.ModeMove))[0]
		if err := taken.Wait(within(t)); err != nil {
			t.Fatal(err)
		}
		if err := p.cmd.Process.Signal(unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		stopped(t, p.cmd.Process.Pid)
		grants := p.offer(item(t, "unread", scmrights.ModeMove), item(t, "unread too", scmrights.ModeShare))
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for _, g := range grants {
			if err := g.Wait(within(t)); !errors.Is(err, scmrights.ErrLost) {
				t.Fatalf("%s: %v", g.Name(), err)
			}
			f, err := g.Reclaim()
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
		if taken.State() != scmrights.StateDelivered {
			t.Errorf("what was taken is %s", taken.State())
		}
	})
}

// stopped waits until the kernel shows the process as stopped.
func stopped(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.LastIndexByte(text, ')'); i > 0 && bytes.HasPrefix(text[i:], []byte(") T")) {
			return
		}
	}
	t.Fatal("the peer does not stop")
}

// TestPeerPings: a peer's PING is answered, and a second answer would be a fault.
func TestPeerPings(t *testing.T) {
	everyLanguage(t, func(t *testing.T, l language) {
		p := dial(t, l, scmrights.Config{})
		for range 20 {
			p.tell(msgPing)
			if err := p.conn.Ping(); err != nil {
				t.Fatal(err)
			}
		}
		p.report() // it is still there
	})
}
