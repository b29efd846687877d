package differential_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/queuemodel"
	"sallyport/internal/sys"
	"sallyport/pkg/sysvctl"
)

const actorVariable = "SALLYPORT_TEST_DIFFERENTIAL_ACTOR"

func TestMain(m *testing.M) {
	if os.Getenv(actorVariable) != "" {
		act()
	}
	os.Exit(m.Run())
}

// maxText is the longest message of a program, in bytes.
const maxText = 64

// Records of the pipes between the test and an actor. An actor first says hello
// with its thread id in Errno.
type (
	order struct {
		Op                 uint32
		ID                 int32
		Type               int64
		Size, Flags        int32
		Serial             uint32
		UID, GID, Mode, X_ uint32
		QBytes             uint64
	}
	reply struct {
		Errno, Size int32
		Type        int64
		Text        [maxText]byte
	}
)

const create = 100 // an order of its own: msgget(IPC_PRIVATE)

var orderSize, replySize = binary.Size(order{}), binary.Size(reply{})

// act is an actor: one thread, not the first of its process, that makes the
// calls it is told to. Waiting calls are interrupted by SIGURG, which the Go
// runtime handles and which nobody else sends here.
func act() {
	done := make(chan struct{})
	for {
		tid := make(chan int)
		go func() {
			runtime.LockOSThread()
			tid <- unix.Gettid()
			if unix.Gettid() == os.Getpid() {
				select {} // keep the first thread busy with nothing
			}
			serve(unix.Gettid())
			close(done)
		}()
		if <-tid != os.Getpid() {
			break
		}
	}
	<-done
	os.Exit(0)
}

func serve(tid int) {
	in, out := make([]byte, orderSize), make([]byte, 0, replySize)
	say := func(r reply) {
		out, _ = binary.Append(out[:0], binary.NativeEndian, r)
		if _, err := unix.Write(1, out); err != nil {
			os.Exit(1)
		}
	}
	say(reply{Errno: int32(tid)})
	for {
		n, err := unix.Read(0, in)
		if err == unix.EINTR {
			continue
		}
		if n != orderSize {
			return
		}
		var o order
		if _, err := binary.Decode(in, binary.NativeEndian, &o); err != nil {
			os.Exit(1)
		}
		r, err := o.make()
		var errno syscall.Errno
		switch {
		case errors.As(err, &errno):
			r.Errno = int32(errno)
		case err != nil:
			r.Errno = -1
			fmt.Fprintln(os.Stderr, "actor:", err)
		}
		say(r)
	}
}

func (o *order) make() (r reply, err error) {
	switch queuemodel.Op(o.Op) {
	case create:
		r.Size, err = sys.MsgGet(0, int(o.Mode)|0o1000)
	case queuemodel.Send:
		err = sys.MsgSend(o.ID, o.Type, text(int(o.Serial), int(o.Size)), int(o.Flags))
	case queuemodel.Receive:
		var n int
		n, r.Type, err = sys.MsgReceive(o.ID, r.Text[:o.Size], o.Type, int(o.Flags))
		r.Size = int32(n)
	case queuemodel.Stat:
		_, err = sys.MsgStat(o.ID, sys.MsgStatID)
	case queuemodel.Set:
		err = sys.MsgSet(o.ID, o.UID, o.GID, o.Mode, o.QBytes)
	case queuemodel.Kick:
		err = sysvctl.Attach(sysvctl.ID(o.ID)).Revoke(sysvctl.Senders)
		if errors.Is(err, sysvctl.ErrLimit) {
			// It cannot rule out that somebody sleeps on, when the owner's own
			// message entered meanwhile. The model knows who must have woken.
			err = nil
		}
	case queuemodel.Remove:
		err = sys.MsgRemoveID(o.ID)
	}
	return r, err
}

// text is the content of message number serial.
func text(serial, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(serial + i*7)
	}
	return b
}

// actor is the test's end.
type actor struct {
	queuemodel.Person
	cmd      *exec.Cmd
	inFD     int
	outFD    int
	where    *os.File // its thread's /proc/PID/task/TID/syscall
	state    *os.File // and stat
	awaiting bool     // an answer
}

// startActor runs one with the person's ids. Pipes are raw descriptors here: a
// program is hundreds of small exchanges.
func startActor(t *testing.T, p queuemodel.Person) *actor {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{actorVariable + "=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=2"}
	cmd.Stderr = os.Stderr
	cred := &syscall.Credential{Uid: p.UID, Gid: p.GID, Groups: p.Groups}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGKILL}
	var to, from [2]int
	must(t, unix.Pipe2(to[:], unix.O_CLOEXEC))
	must(t, unix.Pipe2(from[:], unix.O_CLOEXEC))
	stdin, stdout := os.NewFile(uintptr(to[0]), "stdin"), os.NewFile(uintptr(from[1]), "stdout")
	cmd.Stdin, cmd.Stdout = stdin, stdout
	must(t, cmd.Start())
	stdin.Close()
	stdout.Close()
	a := &actor{Person: p, cmd: cmd, inFD: to[1], outFD: from[0], awaiting: true}
	hello, err := a.read()
	must(t, err)
	a.awaiting = false
	a.PID, a.TID = cmd.Process.Pid, int(hello.Errno)
	a.IPCOwner, a.SysAdmin, a.SysResource = capabilities(t, a.PID)
	thread := fmt.Sprintf("/proc/%d/task/%d/", a.PID, a.TID)
	a.where, err = os.Open(thread + "syscall")
	must(t, err)
	a.state, err = os.Open(thread + "stat")
	must(t, err)
	t.Cleanup(func() {
		unix.Close(a.inFD)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		unix.Close(a.outFD)
		a.where.Close()
		a.state.Close()
	})
	return a
}

func (a *actor) tell(o order) error {
	b, err := binary.Append(make([]byte, 0, orderSize), binary.NativeEndian, o)
	if err != nil {
		return err
	}
	a.awaiting = true
	_, err = unix.Write(a.inFD, b)
	return err
}

func (a *actor) read() (r reply, err error) {
	b := make([]byte, replySize)
	n, err := unix.Read(a.outFD, b)
	for err == unix.EINTR {
		n, err = unix.Read(a.outFD, b)
	}
	if err == nil && n != replySize {
		err = fmt.Errorf("actor %d: %d bytes of an answer, want %d", a.UID, n, replySize)
	}
	if err == nil {
		_, err = binary.Decode(b, binary.NativeEndian, &r)
	}
	a.awaiting = false
	return r, err
}

// asleep says whether its thread sleeps in msgsnd or msgrcv. One that was woken
// and has not run yet does not. Both files are needed: while another processor is
// being told of the waking, syscall still shows the call, and only stat says R.
func (a *actor) asleep() bool {
	var b [256]byte
	n, err := unix.Pread(int(a.where.Fd()), b[:], 0)
	if err != nil {
		return false
	}
	nr, _, _ := strings.Cut(string(b[:n]), " ")
	if nr != fmt.Sprint(unix.SYS_MSGSND) && nr != fmt.Sprint(unix.SYS_MSGRCV) {
		return false
	}
	n, err = unix.Pread(int(a.state.Fd()), b[:], 0)
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(b[:n]), ") ")
	return strings.HasPrefix(state, "S")
}

func capabilities(t *testing.T, pid int) (ipcOwner, sysAdmin, sysResource bool) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	_, rest, _ := strings.Cut(string(status), "CapEff:\t")
	var bits uint64
	_, err = fmt.Sscanf(rest, "%x", &bits)
	must(t, err)
	return bits>>unix.CAP_IPC_OWNER&1 == 1, bits>>unix.CAP_SYS_ADMIN&1 == 1, bits>>unix.CAP_SYS_RESOURCE&1 == 1
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
