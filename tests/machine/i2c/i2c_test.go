//go:build machine

package i2c_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/device"
	"sallyport/internal/sys"
)

// The module is loaded with chip_addr=0x23,0x50 (tests/machine/cmd/machines.go).
const (
	light  = 0x23
	eeprom = 0x50
	uid    = 20001 // of programs without rights
)

// Requests of linux/i2c-dev.h.
const (
	i2cSlave      = 0x703
	i2cSlaveForce = 0x706
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, bus string, address uint16) *device.Device {
	t.Helper()
	d, err := device.Open(config.Device{Name: "light", Kind: "i2c", I2C: &config.I2C{Bus: bus, Address: address}}, device.Options{})
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

// stub is the name of the bus's node.
func stub(t *testing.T) string {
	t.Helper()
	names, _ := filepath.Glob("/sys/class/i2c-dev/*/name")
	for _, name := range names {
		if text, _ := os.ReadFile(name); strings.HasPrefix(string(text), "SMBus stub driver") {
			return filepath.Base(filepath.Dir(name))
		}
	}
	t.Fatalf("no stub among %q", names)
	return ""
}

// register reads one register; -1 is an error.
func register(f *os.File, number byte) int {
	var p [1]byte
	if _, err := sys.I2CReadBlock(int(f.Fd()), number, p[:]); err != nil {
		return -1
	}
	return int(p[0])
}

// A device is found by the name of its bus and reached at its address, through the
// descriptor that is granted, by a process without rights.
func TestRegistersThroughAGrantedDescriptor(t *testing.T) {
	if os.Getenv("I2C_CHILD") != "" {
		child()
	}
	d := open(t, "SMBus stub driver", light)
	f := d.Opened()[0].File
	must(t, sys.I2CWriteBlock(int(f.Fd()), 0x10, []byte{0xa5, 0x5a}))
	if a, b := register(f, 0x10), register(f, 0x11); a != 0xa5 || b != 0x5a {
		t.Errorf("registers %#x, %#x", a, b)
	}
	// The same by the bus's number, and not at the other address.
	if got := register(open(t, stub(t), light).Opened()[0].File, 0x10); got != 0xa5 {
		t.Errorf("by number: %#x", got)
	}
	if got := register(open(t, stub(t), eeprom).Opened()[0].File, 0x10); got != 0 {
		t.Errorf("at the other address: %#x", got)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestRegistersThroughAGrantedDescriptor$")
	cmd.Env = append(os.Environ(), "I2C_CHILD=/dev/"+stub(t))
	cmd.ExtraFiles = []*os.File{f}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "0xa5 <nil>, cannot open the bus: true, aimed elsewhere: <nil>\n" {
		t.Errorf("%s, %v", out, err)
	}
	// The address belongs to the open file: what the child aimed elsewhere is the
	// parent's as well. Hence a device for each grant, and no profile with I2C_SLAVE.
	if got := register(f, 0x10); got != 0 {
		t.Errorf("after it was aimed elsewhere: %#x", got)
	}
}

// child is the process without rights.
func child() {
	var got [1]byte
	_, err := sys.I2CReadBlock(3, 0x10, got[:])
	_, refused := os.OpenFile(os.Getenv("I2C_CHILD"), os.O_RDWR, 0)
	fmt.Printf("%#x %v, cannot open the bus: %v, aimed elsewhere: %v\n", got[0], err,
		errors.Is(refused, os.ErrPermission), unix.IoctlSetInt(3, i2cSlave, eeprom))
	os.Exit(0)
}

// Two opens of one bus have an address each.
func TestAddressIsKeptPerOpenFile(t *testing.T) {
	one, two := open(t, stub(t), light).Opened()[0].File, open(t, stub(t), eeprom).Opened()[0].File
	must(t, sys.I2CWriteBlock(int(one.Fd()), 0x40, []byte{1}))
	must(t, sys.I2CWriteBlock(int(two.Fd()), 0x40, []byte{2}))
	if a, b := register(one, 0x40), register(two, 0x40); a != 1 || b != 2 {
		t.Errorf("%d and %d, want 1 and 2", a, b)
	}
}

// A driver that has an address makes it EBUSY, and the error says what to do. Only
// I2C_SLAVE_FORCE goes past it.
func TestAddressOfADriverIsBusy(t *testing.T) {
	bus := stub(t)
	adapter := "/sys/bus/i2c/devices/" + bus
	must(t, os.WriteFile(adapter+"/new_device", []byte(fmt.Sprintf("24c02 %#x\n", eeprom)), 0o200))
	defer func() { must(t, os.WriteFile(adapter+"/delete_device", []byte(fmt.Sprintf("%#x\n", eeprom)), 0o200)) }()
	_, err := device.Open(config.Device{Name: "rom", Kind: "i2c", I2C: &config.I2C{Bus: bus, Address: eeprom}}, device.Options{})
	if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "unbind it") {
		t.Errorf("%v", err)
	}
	f := open(t, bus, light).Opened()[0].File
	if err := unix.IoctlSetInt(int(f.Fd()), i2cSlaveForce, eeprom); err != nil {
		t.Errorf("I2C_SLAVE_FORCE: %v", err)
	}
}

// A node of another driver is refused before it is opened, whatever it is called.
func TestNodeOfAnotherDriver(t *testing.T) {
	node := "/dev/" + stub(t)
	must(t, os.Rename(node, node+".away"))
	defer func() { must(t, os.Rename(node+".away", node)) }()
	must(t, os.Symlink("/dev/null", node))
	defer os.Remove(node)
	_, err := device.Open(config.Device{Name: "light", Kind: "i2c", I2C: &config.I2C{Bus: stub(t), Address: light}}, device.Options{})
	if err == nil || !strings.Contains(err.Error(), "belongs to the subsystem mem, not i2c-dev") {
		t.Errorf("%v", err)
	}
}
