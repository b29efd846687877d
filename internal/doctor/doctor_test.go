package doctor_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"sallyport/internal/attest"
	"sallyport/internal/doctor"
	"sallyport/internal/launch/launchtest"
)

// underVariable makes this binary look from under a filter of its own.
const underVariable = "SALLYPORT_DOCTOR_UNDER"

func TestMain(m *testing.M) {
	if os.Getenv(underVariable) == "" {
		os.Exit(m.Run())
	}
	if own, err := attest.OwnFilters(); err == nil && own == 0 {
		err := launchtest.ExecUnder(launchtest.Assemble(bpf.RetConstant{Val: 0x7fff0000}), os.Environ())
		fmt.Println(err)
		os.Exit(1)
	}
	for _, f := range host("/").Look() {
		fmt.Println(f.Check, f.Level, f.Says, f.Fix)
	}
}

func host(root string) doctor.Host {
	return doctor.Host{Root: root, Euid: os.Geteuid(),
		Namespaces: func() (error, error) { return nil, nil },
		Libseccomp: func() (string, error) { return "2.5.4", nil }}
}

// machine is one where nothing is amiss, as far as files tell.
func machine() map[string]string {
	return map[string]string{
		"proc/self/mountinfo":                         "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		"sys/fs/cgroup/cgroup.controllers":            "cpu memory pids\n",
		"proc/sys/user/max_user_namespaces":           "1000\n",
		"proc/sys/kernel/unprivileged_userns_clone":   "1\n",
		"proc/sys/kernel/seccomp/actions_avail":       "kill_process kill_thread trap errno user_notif trace log allow\n",
		"proc/self/ns/user":                           "",
		"etc/group":                                   "root:x:0:\ngpio:x:99997:pi\ni2c:x:99998:\n",
		"sys/bus/i2c/devices/i2c-1/name":              "bcm2835 (i2c@7e804000)\n",
		"dev/i2c-1":                                   "",
		"dev/spidev0.0":                               "",
		"sys/bus/w1/devices/28-00000a9ae2c7/w1_slave": "",
	}
}

func look(t *testing.T, files map[string]string, change func(*doctor.Host)) []doctor.Finding {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	h := host(root)
	change(&h)
	return h.Look()
}

func TestLookFindsWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		files func(map[string]string)
		host  func(*doctor.Host)
		check string
		level doctor.Level
		says  string
		fix   string
	}{
		"good cgroups":  {nil, nil, "cgroups", doctor.OK, `["cpu" "memory" "pids"]`, ""},
		"hybrid":        {func(f map[string]string) { f["sys/fs/cgroup/cgroup.controllers"] = "hugetlb" }, nil, "cgroups", doctor.Warn, "no controller memory", "cgroup_enable=memory"},
		"version 1":     {func(f map[string]string) { f["proc/self/mountinfo"] = "" }, nil, "cgroups", doctor.Warn, "no cgroup tree of version 2", `waive = ["cgroup-memory"]`},
		"no userns":     {func(f map[string]string) { f["proc/sys/user/max_user_namespaces"] = "0\n" }, nil, "user namespaces", "", "max_user_namespaces is 0", "sysctl -w user.max_user_namespaces=1000"},
		"debian":        {func(f map[string]string) { f["proc/sys/kernel/unprivileged_userns_clone"] = "0\n" }, func(h *doctor.Host) { h.Euid = 1000 }, "user namespaces", doctor.Fail, "without root nothing runs", "kernel.unprivileged_userns_clone=1"},
		"ubuntu":        {func(f map[string]string) { f["proc/sys/kernel/apparmor_restrict_unprivileged_userns"] = "1\n" }, func(h *doctor.Host) { h.Euid = 0 }, "user namespaces", doctor.Warn, "only somebody who is not root", "apparmor_restrict_unprivileged_userns=0"},
		"no notices":    {func(f map[string]string) { f["proc/sys/kernel/seccomp/actions_avail"] = "kill_process errno allow\n" }, nil, "seccomp", doctor.Fail, "no action user_notif", "5.11"},
		"ipc":           {nil, func(h *doctor.Host) { h.Namespaces = func() (error, error) { return nil, errors.New("EPERM") } }, "IPC namespace", doctor.Fail, "cannot be made: EPERM", ""},
		"ipc limits":    {nil, func(h *doctor.Host) { h.Namespaces = func() (error, error) { return errors.New("read-only"), nil } }, "IPC namespace", doctor.Warn, "cannot be written (read-only)", "/proc/sys"},
		"no supervisor": {nil, func(h *doctor.Host) { h.Libseccomp = func() (string, error) { return "", errors.New("no library") } }, "libseccomp", doctor.Fail, "no library", "apt install libseccomp2"},
		"i2c":           {nil, nil, "i2c", doctor.OK, "i2c-1 (bcm2835 (i2c@7e804000))", ""},
		"i2c-dev":       {func(f map[string]string) { delete(f, "dev/i2c-1") }, nil, "i2c", doctor.Warn, "i2c-dev is not loaded", "modprobe i2c-dev"},
		"spi":           {nil, nil, "spi", doctor.OK, "spidev0.0", ""},
		"1-wire":        {nil, nil, "1-wire", doctor.OK, "28-00000a9ae2c7", ""},
		"no chip":       {nil, nil, "gpio", doctor.OK, "no chip", ""},
		"odd chip":      {func(f map[string]string) { f["dev/gpiochip0"] = "" }, nil, "gpio", doctor.Warn, "gpiochip0", "group gpio"},
		"groups":        {nil, func(h *doctor.Host) { h.Euid = 1000 }, "groups", doctor.Warn, "gpio, i2c", "usermod -aG gpio,i2c"},
	} {
		t.Run(name, func(t *testing.T) {
			files := machine()
			if c.files != nil {
				c.files(files)
			}
			if c.host == nil {
				c.host = func(*doctor.Host) {}
			}
			all := look(t, files, c.host)
			i := slices.IndexFunc(all, func(f doctor.Finding) bool { return f.Check == c.check })
			if i < 0 {
				t.Fatalf("no line %q in %v", c.check, all)
			}
			f := all[i]
			if c.level != "" && f.Level != c.level || !strings.Contains(f.Says, c.says) || !strings.Contains(f.Fix, c.fix) || f.Level != doctor.OK && f.Fix == "" {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestWorst(t *testing.T) {
	for _, c := range []struct {
		levels []doctor.Level
		want   doctor.Level
	}{
		{nil, doctor.OK},
		{[]doctor.Level{doctor.OK, doctor.Warn, doctor.OK}, doctor.Warn},
		{[]doctor.Level{doctor.Fail, doctor.Warn}, doctor.Fail},
		{[]doctor.Level{doctor.Warn, doctor.Fail}, doctor.Fail},
	} {
		var all []doctor.Finding
		for _, l := range c.levels {
			all = append(all, doctor.Finding{Level: l})
		}
		if got := doctor.Worst(all); got != c.want {
			t.Errorf("%v: %s, want %s", c.levels, got, c.want)
		}
	}
}

// TestForeignFilter: another filter around is found, with its consequences.
func TestForeignFilter(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{underVariable + "=1"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"own filters warn 1 around this process", "before our filter is asked", "filter dump warn"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
