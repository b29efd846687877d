package policy_test

import (
	"io/fs"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/seccomp"
	"sallyport/policy"
)

var vars = seccomp.Vars{"send_queues": {3, 32769}, "receive_queues": {4, 5}, "frames": {64, 256}, "block_queues": {32769}, "self_pid": {4711}}

func TestRolesBindOnEveryArchitecture(t *testing.T) {
	for _, role := range policy.Roles {
		p, err := seccomp.Parse(role, policy.Files)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, a := range seccomp.Archs {
			if _, err := p.Bind(a, vars); err != nil {
				t.Errorf("%s: %v", a, err)
			}
		}
	}
}

func TestEveryFileIsARoleOrIncluded(t *testing.T) {
	files, err := fs.Glob(policy.Files, "*"+seccomp.Extension)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		text, err := fs.ReadFile(policy.Files, f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for _, f := range files {
		name := strings.TrimSuffix(f, seccomp.Extension)
		if !slices.Contains(policy.Roles, name) && !strings.Contains(all.String(), "include @"+name+"\n") {
			t.Errorf("%s is no role, and no profile includes it", f)
		}
	}
}

// A line without a reason is one that nobody dares to remove.
func TestEveryLineHasAReason(t *testing.T) {
	files, _ := fs.Glob(policy.Files, "*"+seccomp.Extension)
	for _, f := range files {
		text, err := fs.ReadFile(policy.Files, f)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			rule, reason, found := strings.Cut(line, "#")
			rule = strings.TrimSpace(rule)
			if rule == "" || strings.HasPrefix(rule, "include") || strings.HasSuffix(rule, "{") || rule == "}" {
				continue
			}
			if !found || len(strings.TrimSpace(reason)) < 5 {
				t.Errorf("%s:%d: %s: no reason", f, i+1, rule)
			}
		}
	}
}

// What each role is for, and what none may do.
func TestVerdicts(t *testing.T) {
	for _, tt := range []struct {
		role, call string
		args       [6]uint64
		phase      seccomp.Phase
		want       seccomp.Action
	}{
		{"sensor-read", "pread64", [6]uint64{5}, seccomp.Running, seccomp.Allow},
		{"sensor-read", "pwrite64", [6]uint64{5}, seccomp.Running, seccomp.Breach},
		{"sensor-read", "openat", [6]uint64{}, seccomp.Starting, seccomp.Errno},
		{"sensor-read", "openat", [6]uint64{}, seccomp.Running, seccomp.Breach},
		{"sensor-read", "msgsnd", [6]uint64{3, 0, 64, 0x800}, seccomp.Running, seccomp.Allow},
		{"sensor-read", "msgsnd", [6]uint64{3, 0, 64, 0}, seccomp.Running, seccomp.Breach},
		{"sensor-read", "msgsnd", [6]uint64{32769, 0, 64, 0}, seccomp.Running, seccomp.Allow}, // full = "block"
		{"sensor-read", "msgsnd", [6]uint64{32769, 0, 65, 0}, seccomp.Running, seccomp.Breach},
		{"sensor-read", "msgsnd", [6]uint64{32769, 0, 64, 0x1000}, seccomp.Running, seccomp.Breach},
		{"sensor-read", "msgsnd", [6]uint64{4, 0, 64, 0x800}, seccomp.Running, seccomp.Breach},
		{"sensor-read", "msgsnd", [6]uint64{3, 0, 65, 0x800}, seccomp.Running, seccomp.Breach},
		{"sensor-read", "msgrcv", [6]uint64{4, 0, 64, 0, 0x4800}, seccomp.Running, seccomp.Breach},
		{"sensor-read", "tgkill", [6]uint64{4711, 4712, 23}, seccomp.Running, seccomp.Allow},
		{"sensor-read", "tgkill", [6]uint64{1, 1, 9}, seccomp.Running, seccomp.Breach},
		{"sensor-read", "kill", [6]uint64{4711, 9}, seccomp.Running, seccomp.Breach},
		{"sensor-read", "clone", [6]uint64{17}, seccomp.Running, seccomp.Breach},
		{"sensor-read", "clone3", [6]uint64{}, seccomp.Running, seccomp.Errno},
		{"sensor-read", "mmap", [6]uint64{0, 4096, 5}, seccomp.Running, seccomp.Breach},
		{"sensor-read", "prctl", [6]uint64{1, 0}, seccomp.Starting, seccomp.Breach}, // PR_SET_PDEATHSIG
		{"sensor-read", "prctl", [6]uint64{4, 0}, seccomp.Starting, seccomp.Continue},
		{"sensor-read", "prctl", [6]uint64{4, 0}, seccomp.Running, seccomp.Breach},
		{"sensor-read", "ioctl", [6]uint64{5, 0x720}, seccomp.Running, seccomp.Breach},
		{"sensor-read", "io_uring_setup", [6]uint64{}, seccomp.Starting, seccomp.Kill},
		{"append-only", "fdatasync", [6]uint64{5}, seccomp.Running, seccomp.Allow},
		{"append-only", "pwrite64", [6]uint64{5}, seccomp.Running, seccomp.Breach},
		{"append-only", "lseek", [6]uint64{5}, seccomp.Running, seccomp.Breach},
		{"append-only", "ftruncate", [6]uint64{5}, seccomp.Running, seccomp.Breach},
		{"append-only", "fcntl", [6]uint64{5, 4, 1}, seccomp.Running, seccomp.Breach}, // F_SETFL
		{"python-basic", "openat", [6]uint64{2: 0x80000}, seccomp.Starting, seccomp.Continue},
		{"python-basic", "openat", [6]uint64{2: 0x41}, seccomp.Starting, seccomp.Errno}, // O_WRONLY|O_CREAT
		{"python-basic", "openat", [6]uint64{2: 0x80000}, seccomp.Running, seccomp.Errno},
		{"python-basic", "mmap", [6]uint64{2: 5}, seccomp.Starting, seccomp.Continue},
		{"python-basic", "mmap", [6]uint64{2: 5}, seccomp.Running, seccomp.Breach},
		{"python-basic", "socket", [6]uint64{1, 1}, seccomp.Starting, seccomp.Breach},
		{"python-basic", "ioctl", [6]uint64{1, 0x5412}, seccomp.Running, seccomp.Errno}, // TIOCSTI
		{"python-basic", "clone", [6]uint64{17}, seccomp.Running, seccomp.Breach},
		{"exec-shim", "msgsnd", [6]uint64{3, 0, 64, 0x800}, seccomp.Running, seccomp.Breach},
		{"exec-shim", "clone", [6]uint64{0x10000011}, seccomp.Starting, seccomp.Errno},
		{"exec-shim", "sendmsg", [6]uint64{}, seccomp.Running, seccomp.Breach},
		{"http-serve", "accept4", [6]uint64{5}, seccomp.Running, seccomp.Allow},
		{"http-serve", "setsockopt", [6]uint64{5, 1, 25}, seccomp.Running, seccomp.Breach}, // SO_BINDTODEVICE
		{"http-serve", "bind", [6]uint64{5}, seccomp.Running, seccomp.Breach},
		{"http-serve", "openat", [6]uint64{}, seccomp.Running, seccomp.Errno},
		{"net-client", "accept4", [6]uint64{5}, seccomp.Running, seccomp.Breach},
		{"net-client", "connect", [6]uint64{5}, seccomp.Running, seccomp.Breach},
		{"net-client", "sendto", [6]uint64{5}, seccomp.Running, seccomp.Breach},
		{"gpio-line", "pwrite64", [6]uint64{5}, seccomp.Running, seccomp.Allow},
		{"gpio-line", "ioctl", [6]uint64{5, 0xc010b40f}, seccomp.Running, seccomp.Allow},
		{"gpio-line", "ioctl", [6]uint64{5, 0xc110b40d}, seccomp.Running, seccomp.Breach}, // SET_CONFIG
		{"gpio-line", "ioctl", [6]uint64{5, 0xc010b40e}, seccomp.Running, seccomp.Allow},
		{"gpio-line", "ioctl", [6]uint64{5, 0xc250b407}, seccomp.Running, seccomp.Breach}, // GET_LINE, of a chip
		{"i2c-device", "ioctl", [6]uint64{5, 0x720}, seccomp.Running, seccomp.Allow},
		{"i2c-device", "ioctl", [6]uint64{5, 0x705}, seccomp.Running, seccomp.Allow},
		{"i2c-device", "ioctl", [6]uint64{5, 0x703}, seccomp.Running, seccomp.Breach},
		{"i2c-device", "ioctl", [6]uint64{5, 0x706}, seccomp.Running, seccomp.Breach},
		{"i2c-device", "ioctl", [6]uint64{5, 0x707}, seccomp.Running, seccomp.Breach},
		{"i2c-device", "ioctl", [6]uint64{5, 0x704}, seccomp.Running, seccomp.Breach}, // I2C_TENBIT
		{"i2c-device", "pread64", [6]uint64{5}, seccomp.Running, seccomp.Breach},
		{"spi-device", "ioctl", [6]uint64{5, 0x40206b00}, seccomp.Running, seccomp.Allow},
		{"spi-device", "ioctl", [6]uint64{5, 0x40406b00}, seccomp.Running, seccomp.Allow},
		{"spi-device", "ioctl", [6]uint64{5, 0x40606b00}, seccomp.Running, seccomp.Breach},
		{"spi-device", "ioctl", [6]uint64{5, 0x40016b01}, seccomp.Running, seccomp.Breach}, // SPI_IOC_WR_MODE
		{"spi-device", "ioctl", [6]uint64{5, 0x40046b04}, seccomp.Running, seccomp.Breach}, // SPI_IOC_WR_MAX_SPEED_HZ
		{"serial-read", "ioctl", [6]uint64{5, 0x541b}, seccomp.Running, seccomp.Allow},
		{"serial-read", "ioctl", [6]uint64{5, 0x5402}, seccomp.Running, seccomp.Breach}, // TCSETS
		{"serial-read", "ioctl", [6]uint64{5, 0x5412}, seccomp.Running, seccomp.Breach}, // TIOCSTI
		{"serial-read", "pread64", [6]uint64{5}, seccomp.Running, seccomp.Breach},
	} {
		p, err := seccomp.Parse(tt.role, policy.Files)
		if err != nil {
			t.Fatal(err)
		}
		b, err := p.Bind(seccomp.AMD64, vars)
		if err != nil {
			t.Fatal(err)
		}
		nr, _ := seccomp.CallNumber(seccomp.AMD64, tt.call)
		if d := b.Decide(tt.phase, nr, tt.args); d.Action != tt.want {
			t.Errorf("%s, %s: %s: %v, want %v (%s:%d %s)", tt.role, tt.phase, seccomp.Describe(seccomp.AMD64, nr, tt.args), d.Action, tt.want, d.Profile, d.Line, d.Rule)
		}
	}
}

// The group was made for one Go release; another toolchain needs another look.
func TestGoRuntimeNamesItsRelease(t *testing.T) {
	text, err := fs.ReadFile(policy.Files, "go-runtime.policy")
	if err != nil {
		t.Fatal(err)
	}
	release := regexp.MustCompile(`^go(1\.\d+)`).FindStringSubmatch(runtime.Version())
	if release == nil {
		t.Skipf("needs a released toolchain: this is %s", runtime.Version())
	}
	if want := "the runtime of Go " + release[1] + " asks"; !strings.Contains(string(text), want) {
		t.Errorf("go-runtime.policy does not say %q: run TestGoRuntimeIsCovered of internal/seccomp/live with this toolchain, and name it", want)
	}
}
