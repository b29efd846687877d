package socket_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/socket"
	"sallyport/internal/testenv"
)

const inheritVariable = "SALLYPORT_TEST_INHERIT"

func TestMain(m *testing.M) {
	if at := os.Getenv(inheritVariable); at != "" {
		// The pid is known only here.
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		in, err := socket.FromEnvironment()
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		_, wrong := in.Take(config.Socket{Name: "web", Listen: true, Network: "tcp", Address: "127.0.0.1:1"})
		f, err := in.Take(config.Socket{Name: "web", Listen: true, Network: "tcp", Address: at})
		fmt.Println(f != nil, err, wrong != nil, in.Names(), os.Getenv("LISTEN_FDS") == "")
		in.Close()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestInheritedByName(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), inheritVariable+"="+l.Addr().String(), "LISTEN_FDS=2", "LISTEN_FDNAMES=web:other", "GORACE=atexit_sleep_ms=0")
	cmd.ExtraFiles = []*os.File{f, f}
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "true <nil> true [other] true" {
		t.Errorf("%v: %s", err, out)
	}
}

// TestInheritedOfAnother: the announcement was for a process that started this
// one, and the numbers are not its listeners.
func TestInheritedOfAnother(t *testing.T) {
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "1")
	in, err := socket.FromEnvironment()
	if err != nil || len(in) != 0 || os.Getenv("LISTEN_PID") != "" {
		t.Errorf("%v, %v, LISTEN_PID=%q", in, err, os.Getenv("LISTEN_PID"))
	}
}

// TestRecoverOnlyWhatIsConfigured: a kept listener is used if it is what the
// configuration says, and closed else.
func TestRecoverOnlyWhatIsConfigured(t *testing.T) {
	dir := t.TempDir()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	path := filepath.Join(dir, "door")
	unixListener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer unixListener.Close()
	dialled, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialled.Close()
	packet, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer packet.Close()
	at := func(network, address string) config.Socket {
		return config.Socket{Name: "door", Listen: true, Network: network, Address: address}
	}
	for _, row := range []struct {
		what string
		kept interface{ File() (*os.File, error) }
		conf config.Socket
		used bool
	}{
		{"tcp", tcp.(*net.TCPListener), at("tcp", tcp.Addr().String()), true},
		{"unix", unixListener.(*net.UnixListener), at("unix", path), true},
		{"udp", packet.(*net.UDPConn), at("udp", packet.LocalAddr().String()), true},
		{"another port", tcp.(*net.TCPListener), at("tcp", "127.0.0.1:1"), false},
		{"another family", tcp.(*net.TCPListener), at("unix", path), false},
		{"another type", packet.(*net.UDPConn), at("tcp", packet.LocalAddr().String()), false},
		{"a connection", dialled.(*net.TCPConn), at("tcp", dialled.LocalAddr().String()), false},
	} {
		t.Run(row.what, func(t *testing.T) {
			testenv.CheckFDs(t)
			f, err := row.kept.File()
			if err != nil {
				t.Fatal(err)
			}
			in := socket.Inherited{"socket.door": f}
			got := in.Recover("socket.door", row.conf, true)
			if (got != nil) != row.used || len(in) != 0 {
				t.Errorf("used: %v, want %v; left %v", got != nil, row.used, in.Names())
			}
			if got == nil {
				return
			}
			defer got.Close()
			raw, err := got.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			if err := raw.Control(func(n uintptr) {
				if flags, err := unix.FcntlInt(n, unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
					t.Errorf("flags %#x, %v", flags, err)
				}
			}); err != nil {
				t.Error(err)
			}
		})
	}
	if (socket.Inherited{}).Recover("socket.door", at("tcp", "127.0.0.1:1"), false) != nil {
		t.Error("something was recovered from nothing")
	}
}

// TestRecoverWithoutPath: a unix listener whose path was removed is of no use.
func TestRecoverWithoutPath(t *testing.T) {
	testenv.CheckFDs(t)
	path := filepath.Join(t.TempDir(), "door")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil { // takes the path away
		t.Fatal(err)
	}
	in := socket.Inherited{"x": f}
	if got := in.Recover("x", config.Socket{Listen: true, Network: "unix", Address: path}, false); got != nil {
		t.Error("a listener that nobody can reach was recovered")
	}
}
