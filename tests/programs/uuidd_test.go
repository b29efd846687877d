package programs_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// uuidd is a program that nobody here wrote: the daemon of util-linux that gives
// out unique ids, activated by sockets. It is dynamic and has ten libraries.
const uuidd = `
  command   = ["/usr/sbin/uuidd", "--socket-activation"]
  protocol  = 0
  read_only = ["/lib", "/lib64"]
`

func needUUIDD(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("/usr/sbin/uuidd"); err != nil {
		t.Skip("needs uuidd: apt-get install uuid-runtime")
	}
	if _, err := os.Stat("/lib64"); err != nil {
		t.Skip("needs a system whose loader is beneath /lib64")
	}
}

// id asks for one random id: operation 3 of uuidd's protocol, which answers with
// a length of 4 bytes and the id.
func (r *running) id() (string, error) {
	const random, size = 3, 16
	answer, err := r.ask([]byte{random}, 4+size)
	if err != nil {
		return "", err
	}
	if n := binary.NativeEndian.Uint32(answer); n != size {
		return "", fmt.Errorf("an id of %d bytes", n)
	}
	if version := answer[4+6] >> 4; version != 4 {
		return "", fmt.Errorf("%x is of version %d, want 4", answer[4:], version)
	}
	return string(answer[4:]), nil
}

// TestUUIDDServes: 1,000 clients of one process, over a listener that it did
// not make and could not make, and the calls that would be a way out are denied.
func TestUUIDDServes(t *testing.T) {
	needUUIDD(t)
	r := start(t, uuidd)
	first := r.until("ready", ready)
	if first.ProofLevel != 3 || len(first.Grants) != 1 || first.Grants[0].Name != "request" {
		t.Errorf("%+v", first)
	}
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", first.PID)); err != nil || exe != "/usr/sbin/uuidd" {
		t.Errorf("it executes %s, %v", exe, err)
	}
	seen := map[string]bool{}
	for i := range 1000 {
		id, err := r.id()
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		if seen[id] {
			t.Fatalf("client %d got an id for the second time", i)
		}
		seen[id] = true
	}
	// The standard ones, the listener, and the signalfd it makes: neither the
	// channel nor its own file is left. The last client has its answer a moment
	// before the daemon closes that connection.
	var fds []os.DirEntry
	for range 100 {
		var err error
		if fds, err = os.ReadDir(fmt.Sprintf("/proc/%d/fd", first.PID)); err != nil {
			t.Fatal(err)
		}
		if len(fds) == 5 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if len(fds) != 5 {
		t.Errorf("descriptors %v; want 0 to 4", fds)
	}
	if now := r.status(); now.PID != first.PID || now.Epoch != 1 {
		t.Errorf("it did not live through it: %+v, then %+v", first, now)
	}
	r.stopped.Do(r.stop)
	if !strings.Contains(r.log.String(), `ended: why="exit 0" next=stopped`) {
		t.Error("it was not stopped by the SIGTERM that it knows")
	}
}

// TestUUIDDHandedOverAgain kills it, again and again; a client that connects
// while it is down is answered by the successor, because the listener is the
// supervisor's. N=1000 is the long run.
func TestUUIDDHandedOverAgain(t *testing.T) {
	needUUIDD(t)
	rounds := 20
	if n, err := strconv.Atoi(os.Getenv("N")); err == nil {
		rounds = n
	}
	r := start(t, uuidd)
	st := r.until("ready", ready)
	for i := range rounds {
		if err := syscall.Kill(st.PID, syscall.SIGKILL); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if _, err := r.id(); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		epoch := st.Epoch
		st = r.until("ready again", func(st status) bool { return ready(st) && st.Epoch == epoch+1 })
	}
	t.Logf("N=%d hand-overs, every one by its receipt, every client answered", rounds)
}
