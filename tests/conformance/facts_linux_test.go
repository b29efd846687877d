package conformance_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
	"sallyport/internal/testenv"
	"sallyport/internal/testenv/ipcactor"
	"sallyport/pkg/sysvctl"
)

// Facts about the kernel that pkg/sysvctl's own tests leave out. Each is an
// assumption of the design; where one is wrong, the suite says so here first.

// Fact 24.
func TestLimitsBelongToTheNamespace(t *testing.T) {
	if os.Getenv("SALLYPORT_TEST_CHILD") == "" {
		before := readSysctl(t, "msgmnb")
		t.Cleanup(func() { equal(t, "msgmnb outside", readSysctl(t, "msgmnb"), before) })
	}
	if !testenv.PrivateIPC(t) {
		return
	}
	writeSysctl(t, "msgmnb", "4242")
	equal(t, "msg_qbytes of a new queue", stat(t, queue(t, sysvctl.Options{})).QBytes, 4242)
}

// Fact 25.
func TestCreatorKeepsControl(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	creator, heir := ipcactor.Start(t, 40001, 40001), ipcactor.Start(t, 40002, 40002)
	equal(t, "create", creator.Do("create 77 %d", 0o600), "ok 0")
	equal(t, "given away, with all rights gone", creator.Do("set 0 40002 40002 0 100"), "ok")
	k, err := sys.MsgStat(0, sys.MsgStatAny)
	must(t, err)
	if k.UID != 40002 || k.GID != 40002 || k.CUID != 40001 || k.CGID != 40001 {
		t.Errorf("%+v", k)
	}
	equal(t, "the creator sends", creator.Do("send 0 1 0 2048"), "EACCES")
	equal(t, "the creator takes it back", creator.Do("set 0 40001 40001 %d 100", 0o600), "ok")
	equal(t, "and sends", creator.Do("send 0 1 0 2048"), "ok")
	equal(t, "the heir removes", heir.Do("remove 0"), "EPERM")
	equal(t, "the creator removes", creator.Do("remove 0"), "ok")
}

// Fact 26.
func TestLastReceiverIsAThreadWhenItWaited(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := queue(t, sysvctl.Options{})
	send(t, q, 1, "x")
	take(t, q, sysvctl.Any())
	equal(t, "who did not wait", stat(t, q).Receiver, os.Getpid())

	tid, done := make(chan int), make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			runtime.LockOSThread() // never given back: the next goroutine has another thread
		}
		tid <- unix.Gettid()
		_, _, err := sys.MsgReceive(id(q), make([]byte, 8), 0, 0)
		done <- err
	}()
	waiting := <-tid
	testenv.AsleepInQueue(t, os.Getpid(), 1)
	send(t, q, 1, "x")
	must(t, <-done)
	st := stat(t, q)
	equal(t, "who waited", st.Receiver, waiting)
	equal(t, "the sender", st.Sender, os.Getpid())
}

// Fact 27: killed while it waits, a receiver takes a message with it at times.
func TestKilledReceiverLosesAtMostOne(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := queue(t, sysvctl.Options{Mode: 0o666})
	lost := 0
	const kills = 20
	for range kills {
		a := ipcactor.Start(t, nobody, nobody)
		a.Tell("receive %d 0 8 0", q.ID())
		testenv.AsleepInQueue(t, a.PID(), 1)
		must(t, unix.Kill(a.PID(), unix.SIGSTOP)) // it keeps its place in the queue
		send(t, q, 1, "x")
		a.Kill()
		if stat(t, q).Messages == 0 {
			lost++
			continue
		}
		take(t, q, sysvctl.Any())
	}
	t.Logf("%d of %d messages went with a killed receiver", lost, kills)
	if lost == 0 {
		t.Error("none was lost: this kernel is better than the design assumes")
	}
}

// Fact 27: signals lose nothing.
func TestSignalStormLosesNothing(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	const messages = 20000
	q := queue(t, sysvctl.Options{QBytes: 4096})
	tid, end := make(chan int, 2), make(chan error, 2)
	interrupted := make(chan int, 2)
	run := func(call func(i int) error) {
		runtime.LockOSThread()
		tid <- unix.Gettid()
		breaks := 0
		defer func() { interrupted <- breaks }()
		for i := 0; i < messages; {
			switch err := call(i); err {
			case nil:
				i++
			case syscall.EINTR:
				breaks++
			default:
				end <- err
				return
			}
		}
		end <- nil
	}
	go run(func(i int) error { return sys.MsgSend(id(q), 1, []byte(fmt.Sprintf("%08d", i)), 0) })
	buf := make([]byte, 8)
	go run(func(i int) error {
		n, _, err := sys.MsgReceive(id(q), buf, 0, 0)
		if err == nil && string(buf[:n]) != fmt.Sprintf("%08d", i) {
			return fmt.Errorf("message %d is %q", i, buf[:n])
		}
		return err
	})
	targets, storm := []int{<-tid, <-tid}, make(chan struct{})
	go func() {
		defer close(storm)
		for left := 2; left > 0; {
			select {
			case err := <-end:
				if err != nil {
					t.Error(err)
				}
				left--
			default:
				for _, target := range targets {
					_ = unix.Tgkill(os.Getpid(), target, unix.SIGURG)
				}
				time.Sleep(20 * time.Microsecond)
			}
		}
	}()
	<-storm
	t.Logf("%d messages, %d interruptions", messages, <-interrupted+<-interrupted)
	equal(t, "messages left", stat(t, q).Messages, 0)
}

// Fact 28.
func TestSignalBeforeTheCallIsForgotten(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := queue(t, sysvctl.Options{Mode: 0o666})
	a := ipcactor.Start(t, nobody, nobody)
	equal(t, "a call that does not wait", a.Do("receive %d 0 8 2048", q.ID()), "ENOMSG")
	must(t, unix.Kill(a.PID(), unix.SIGURG))
	a.Tell("receive %d 0 8 0", q.ID())
	testenv.AsleepInQueue(t, a.PID(), 1) // although a signal came just before
	interrupted(t, "receive %d 0 8 0", q)
	must(t, unix.Kill(a.PID(), unix.SIGSTOP)) // no handler, no EINTR
	must(t, unix.Kill(a.PID(), unix.SIGCONT))
	if got, came := a.Within(20 * time.Millisecond); came {
		t.Errorf("stopped and continued: %s", got)
	}
}

// Fact 30.
func TestLargeSenderStarvesBehindSmallOnes(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q := queue(t, sysvctl.Options{Mode: 0o666, QBytes: 1000})
	for range 10 {
		must(t, q.TrySend(1, make([]byte, 100)))
	}
	large := ipcactor.Start(t, nobody, nobody)
	large.Tell("send %d 2 600 0", q.ID())
	testenv.AsleepInQueue(t, large.PID(), 1)
	for range 1000 { // each takes the room that was made before the one that waits
		take(t, q, sysvctl.Exactly(1))
		must(t, q.TrySend(1, make([]byte, 100)))
	}
	testenv.AsleepInQueue(t, large.PID(), 1)
	for range 6 {
		take(t, q, sysvctl.Exactly(1))
	}
	equal(t, "the large one at last", large.Answer(), "ok")
}

// Fact 31.
func TestAnyReaderMayCopy(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	needCopy(t)
	q := queue(t, sysvctl.Options{Mode: 0o604})
	send(t, q, 5, "secret")
	a := ipcactor.Start(t, nobody, nobody)
	equal(t, "a copy", a.Do("receive %d 0 64 %d", q.ID(), sys.MsgCopy|nowait), "ok 5 6")
	equal(t, "one that would wait", a.Do("receive %d 0 64 %d", q.ID(), sys.MsgCopy), "EINVAL")
	equal(t, "with MSG_EXCEPT", a.Do("receive %d 0 64 %d", q.ID(), sys.MsgCopy|sys.MsgExcept|nowait), "EINVAL")
	must(t, q.Permit(0, 0o602))
	equal(t, "without the right to read", a.Do("receive %d 0 64 %d", q.ID(), sys.MsgCopy|nowait), "EACCES")
	takes(t, q, sysvctl.Any(), 5, "secret")
}

// Fact 32.
func TestNamespaceTellsEverybodyAboutQueues(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	must(t, makeKey(0x77, 0))
	must(t, sysvctl.Attach(0).TrySend(1, []byte("content")))
	a := ipcactor.Start(t, nobody, nobody)
	equal(t, "IPC_STAT", a.Do("stat 0"), "EACCES")
	equal(t, "MSG_STAT_ANY", a.Do("statany 0"), "ok")
	cat := exec.Command("cat", "/proc/sysvipc/msg")
	cat.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	text, err := cat.Output()
	must(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	fields := strings.Fields(lines[len(lines)-1])
	if len(lines) != 2 || fields[0] != strconv.Itoa(0x77) || fields[3] != "7" || fields[4] != "1" {
		t.Errorf("%s", text)
	}
	if strings.Contains(string(text), "content") {
		t.Error("the content as well")
	}
}

// Fact 33.
func TestOneProcessTakesEveryID(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	writeSysctl(t, "msgmni", "50")
	greedy := ipcactor.Start(t, nobody, nobody)
	n := 0
	for ; greedy.Do("create 0 0") != "ENOSPC"; n++ {
		if n > 100 {
			t.Fatal("no end")
		}
	}
	equal(t, "queues", n, 50)
	_, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{}) // root has no more rights to ids
	want(t, err, sysvctl.ErrLimit)
}

// Fact 34.
func TestDescriptorKeepsTheNamespace(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	runtime.LockOSThread() // moves into another namespace below: never given back
	own, err := os.Open("/proc/thread-self/ns/ipc")
	must(t, err)
	defer own.Close()
	holder := exec.Command("cat")
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWIPC}
	in, err := holder.StdinPipe()
	must(t, err)
	must(t, holder.Start())
	namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/ipc", holder.Process.Pid))
	must(t, err)
	defer namespace.Close()
	must(t, unix.Setns(int(namespace.Fd()), unix.CLONE_NEWIPC))
	q := queue(t, sysvctl.Options{})
	send(t, q, 1, "kept")
	must(t, in.Close())
	must(t, holder.Wait())
	must(t, unix.Setns(int(own.Fd()), unix.CLONE_NEWIPC)) // nobody is left in it now
	if all, err := sysvctl.List(); err != nil || len(all) != 0 {
		t.Errorf("%v, %v in the first namespace", all, err)
	}
	must(t, unix.Setns(int(namespace.Fd()), unix.CLONE_NEWIPC))
	takes(t, q, sysvctl.Any(), 1, "kept")
}

// Fact 34b.
func TestUnshareMovesOneThread(t *testing.T) {
	const moved = "SALLYPORT_TEST_MOVED"
	if !testenv.PrivateIPC(t) {
		return
	}
	count := func() (n int) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // ends with the goroutine
			all, err := sysvctl.List()
			must(t, err)
			n = len(all)
		}()
		<-done
		return n
	}
	if os.Getenv(moved) != "" {
		for range 5 {
			equal(t, "queues that any thread sees after exec", count(), 1)
		}
		return
	}
	runtime.LockOSThread()
	must(t, unix.Unshare(unix.CLONE_NEWIPC))
	queue(t, sysvctl.Options{})
	if here, err := sysvctl.List(); err != nil || len(here) != 1 {
		t.Errorf("%v, %v on the thread that moved", here, err)
	}
	equal(t, "queues that another thread sees", count(), 0)
	if t.Failed() {
		return
	}
	must(t, syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), moved+"=1")))
}

// Fact 35. The whole list is walked under the lock of the queue.
func TestLowestTypeCostsByDepth(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	const depth = 4096
	writeSysctl(t, "msgmnb", strconv.Itoa(depth*2))
	q := queue(t, sysvctl.Options{})
	for range depth {
		send(t, q, 9, "x")
	}
	median := func(sel sysvctl.Selector) time.Duration {
		var all []time.Duration
		for range 301 {
			began := time.Now()
			take(t, q, sel)
			all = append(all, time.Since(began))
			send(t, q, 9, "x")
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	first, lowest := median(sysvctl.Any()), median(sysvctl.UpTo(9))
	t.Logf("at a depth of %d: the first message %v, the lowest type %v", depth, first, lowest)
	if lowest < 2*first {
		t.Error("a negative type costs no more: bus lanes may be deeper than the design thinks")
	}
}
