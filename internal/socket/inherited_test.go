package socket_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"sallyport/internal/config"
	"sallyport/internal/socket"
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
