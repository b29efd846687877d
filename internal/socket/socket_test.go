package socket_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/socket"
	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// freePort is one that was free a moment ago.
func freePort(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Skipf("needs an address %s: %v", host, err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestOpenServesAndConnects(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for network, address := range map[string]string{"tcp": freePort(t, "127.0.0.1"), "tcp6": freePort(t, "::1"), "unix": path} {
		t.Run(network, func(t *testing.T) {
			testenv.CheckFDs(t)
			conf := config.Socket{Name: "s", Listen: true, Network: strings.TrimSuffix(network, "6"), Address: address, Mode: 0o640}
			f, err := socket.Open(conf, true)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if k := socket.Kind(conf); k != scmrights.KindListener {
				t.Errorf("kind %v", k)
			}
			conf.Listen = false
			c, err := socket.Open(conf, false)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if k := socket.Kind(conf); k != scmrights.KindStream {
				t.Errorf("kind %v", k)
			}
			if blocks(t, c) || !blocks(t, f) {
				t.Errorf("blocking: listener %v, connection %v; want the first alone", blocks(t, f), blocks(t, c))
			}
			l, err := net.FileListener(f)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			served, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer served.Close()
			if _, err := fmt.Fprint(c, "hello"); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 5)
			served.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := served.Read(got); err != nil || string(got) != "hello" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func blocks(t *testing.T, f *os.File) (blocking bool) {
	t.Helper()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(n uintptr) {
		flags, err := unix.FcntlInt(n, unix.F_GETFL, 0)
		if err != nil {
			t.Error(err)
		}
		blocking = flags&unix.O_NONBLOCK == 0
	})
	if err != nil {
		t.Fatal(err)
	}
	return blocking
}

func TestOpenDatagram(t *testing.T) {
	testenv.CheckFDs(t)
	conf := config.Socket{Name: "u", Listen: true, Network: "udp", Address: freePort(t, "127.0.0.1")}
	l, err := socket.Open(conf, false)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conf.Listen = false
	c, err := socket.Open(conf, false)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("one")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 8)
	if n, err := l.Read(got); err != nil || string(got[:n]) != "one" {
		t.Errorf("%q, %v", got[:n], err)
	}
	if k := socket.Kind(conf); k != scmrights.KindDatagram {
		t.Errorf("kind %v", k)
	}
}

// TestUnixListenerTakesOverTheDead: a path that a killed supervisor left is
// taken; one in use, or a file, is not, and is left as it was.
func TestUnixListenerTakesOverTheDead(t *testing.T) {
	testenv.CheckFDs(t)
	conf := config.Socket{Name: "s", Listen: true, Network: "unix", Address: filepath.Join(t.TempDir(), "s"), Mode: 0o666}
	first, err := socket.Open(conf, false)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(conf.Address); err != nil || st.Mode().Perm() != 0o666 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	if _, err := socket.Open(conf, false); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("while it is in use: %v", err)
	}
	first.Close()
	second, err := socket.Open(conf, false)
	if err != nil {
		t.Fatalf("left by a dead one: %v", err)
	}
	second.Close()
	socket.Remove(conf)
	if err := os.WriteFile(conf.Address, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := socket.Open(conf, false); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a file: %v", err)
	}
	if text, err := os.ReadFile(conf.Address); err != nil || string(text) != "precious" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestOpenSaysWhatAndWhere(t *testing.T) {
	testenv.CheckFDs(t)
	conf := config.Socket{Name: "broker", Network: "tcp", Address: freePort(t, "127.0.0.1"), Pos: config.Pos{File: "x.hcl", Line: 7}}
	_, err := socket.Open(conf, false)
	if !errors.Is(err, unix.ECONNREFUSED) || !strings.Contains(fmt.Sprint(err), `socket "broker" (x.hcl:7`) || !strings.Contains(err.Error(), conf.Address) {
		t.Error(err)
	}
}
