//go:build machine

package pi_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/device"
)

// The programs under test lie where a package puts them.
const programs = "/usr/lib/sallyport"

const uid = 20001 // of programs without rights

func lamp(output bool, safe int) config.Device {
	return config.Device{Name: "lamp", Kind: "gpio", Output: output, Safe: safe,
		GPIO: &config.GPIO{Chip: "pinctrl-bcm2835", Line: "GPIO17", Edges: "none", Bias: "as-is"}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shown is the row of a line in debugfs: "gpio-529 (GPIO17 |sallyport ) out hi".
func shown(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("/sys/kernel/debug/gpio")
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "("+name+" ") {
			return strings.Join(strings.Fields(line), " ")
		}
	}
	return "no row for " + name + " in\n" + string(text)
}

// becomes waits until the line is shown as want.
func becomes(t *testing.T, name, want string) {
	t.Helper()
	var row string
	for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(20 * time.Millisecond) {
		if row = shown(t, name); strings.Contains(row, want) {
			return
		}
	}
	t.Fatalf("the line is %q, want %q", row, want)
}

func TestChipIsTheRealOne(t *testing.T) {
	chip, err := os.Open("/dev/gpiochip0")
	must(t, err)
	defer chip.Close()
	info, err := uapi.GetChipInfo(chip.Fd())
	must(t, err)
	if label := uapi.BytesToString(info.Label[:]); label != "pinctrl-bcm2835" || info.Lines != 54 {
		t.Errorf("%q with %d lines", label, info.Lines)
	}
}

// A line that the parent requested is seen from outside, with its direction, its
// consumer and its value, and is nobody else's.
func TestLineSeenFromOutside(t *testing.T) {
	d, err := device.Open(lamp(true, 1), device.Options{})
	must(t, err)
	defer d.Close()
	becomes(t, "GPIO17", "|sallyport ) out hi")
	chip, err := os.Open("/dev/gpiochip0")
	must(t, err)
	defer chip.Close()
	info, err := uapi.GetLineInfoV2(chip.Fd(), 17)
	must(t, err)
	if !info.Flags.IsOutput() || !info.Flags.IsUsed() || uapi.BytesToString(info.Consumer[:]) != "sallyport" {
		t.Errorf("%+v", info)
	}
	if _, err := device.Open(lamp(true, 1), device.Options{}); err == nil || !strings.Contains(err.Error(), `in use by "sallyport"`) {
		t.Errorf("a second request: %v", err)
	}
	for _, v := range []int{0, 1} {
		must(t, uapi.SetLineValuesV2(d.Opened()[0].File.Fd(), uapi.LineValues{Bits: uapi.NewLineBitmap(v), Mask: 1}))
		if got, err := d.Value(); got != v || err != nil {
			t.Errorf("set %d: %d, %v", v, got, err)
		}
		becomes(t, "GPIO17", map[int]string{0: "out lo", 1: "out hi"}[v])
	}
	must(t, d.SetSafe())
	becomes(t, "GPIO17", "out hi")
	must(t, d.Close())
	if row := shown(t, "GPIO17"); strings.Contains(row, "sallyport") {
		t.Errorf("after the close: %s", row)
	}
}

// The line's descriptor in the hands of a process without rights works, and also
// makes an input an output: hence no profile allows SET_CONFIG.
func TestLineInAnUnprivilegedChild(t *testing.T) {
	if os.Getenv("LINE_CHILD") != "" {
		fmt.Println(uapi.SetLineConfigV2(3, &uapi.LineConfig{Flags: uapi.LineFlagV2Output}), os.Getuid())
		_, err := os.Open("/dev/gpiochip0")
		fmt.Println(errors.Is(err, os.ErrPermission))
		os.Exit(0)
	}
	d, err := device.Open(lamp(false, 0), device.Options{})
	must(t, err)
	defer d.Close()
	becomes(t, "GPIO17", "|sallyport ) in ")
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestLineInAnUnprivilegedChild$")
	cmd.Env = append(os.Environ(), "LINE_CHILD=1")
	cmd.ExtraFiles = []*os.File{d.Opened()[0].File}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	if must(t, err); string(out) != fmt.Sprintf("<nil> %d\ntrue\n", uid) {
		t.Errorf("%s", out)
	}
	becomes(t, "GPIO17", ") out ")
}

// TestLampByMessages: the exercise. A program without rights holds the line, and
// messages of `sallyport queue send` switch it: on, off, exit.
func TestLampByMessages(t *testing.T) {
	d, err := device.Open(lamp(true, 0), device.Options{})
	must(t, err)
	defer d.Close()
	led := exec.Command(programs+"/led", "control", "fd:3")
	led.ExtraFiles = []*os.File{d.Opened()[0].File}
	led.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}, Pdeathsig: syscall.SIGKILL}
	led.Stderr = os.Stderr
	said, err := led.StdoutPipe()
	must(t, err)
	must(t, led.Start())
	defer led.Process.Kill()
	send := func(args ...string) {
		t.Helper()
		var out []byte
		for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(50 * time.Millisecond) {
			if out, err = exec.Command(programs+"/sallyport", append([]string{"queue", "send", "key=1234"}, args...)...).CombinedOutput(); err == nil {
				return
			}
		}
		t.Fatalf("queue send %q: %v\n%s", args, err, out)
	}
	lines := bufio.NewScanner(said)
	for _, step := range []struct{ text, want string }{{"ON", "out hi"}, {"OFF", "out lo"}, {"ON", "out hi"}} {
		send(step.text)
		if !lines.Scan() || lines.Text() != step.text {
			t.Fatalf("led said %q, %v", lines.Text(), lines.Err())
		}
		becomes(t, "GPIO17", "|sallyport ) "+step.want)
	}
	send("--type", "2", "exit")
	must(t, led.Wait())
	becomes(t, "GPIO17", "|sallyport ) out lo") // it left the lamp off
	if text, _ := os.ReadFile("/proc/sysvipc/msg"); strings.Contains(string(text), "1234") {
		t.Errorf("a queue was left behind:\n%s", text)
	}
}

// A line that waits for edges reports none while nothing happens, and does not
// hold up whoever looks: it is in nonblocking mode.
func TestLineWithEdges(t *testing.T) {
	conf := lamp(false, 0)
	conf.GPIO.Edges, conf.GPIO.Bias = "both", "pull-up"
	d, err := device.Open(conf, device.Options{})
	must(t, err)
	defer d.Close()
	if _, err := unix.Read(int(d.Opened()[0].File.Fd()), make([]byte, 48)); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("read: %v", err)
	}
}
