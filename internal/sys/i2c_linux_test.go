package sys_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

// bus opens the bus of the module i2c-stub, aimed at an address.
func bus(t *testing.T, address int) *os.File {
	t.Helper()
	names, _ := filepath.Glob("/sys/class/i2c-dev/*/name")
	for _, name := range names {
		if text, _ := os.ReadFile(name); !strings.HasPrefix(string(text), "SMBus stub driver") {
			continue
		}
		f, err := os.OpenFile("/dev/"+filepath.Base(filepath.Dir(name)), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if err := unix.IoctlSetInt(int(f.Fd()), 0x703, address); err != nil {
			t.Fatal(err)
		}
		return f
	}
	t.Skip("needs the bus of the module i2c-stub: make machine")
	return nil
}

func TestI2CBlocks(t *testing.T) {
	fd := int(bus(t, 0x23).Fd())
	for _, size := range []int{1, 2, 31, 32} {
		out, in := make([]byte, size), make([]byte, size)
		for i := range out {
			out[i] = byte(size + 3*i)
		}
		if err := sys.I2CWriteBlock(fd, 0x80, out); err != nil {
			t.Fatal(err)
		}
		if n, err := sys.I2CReadBlock(fd, 0x80, in); err != nil || n != size || string(in) != string(out) {
			t.Errorf("%d bytes: %d, %v: %x, want %x", size, n, err, in, out)
		}
	}
	for _, size := range []int{0, 33} {
		if err := sys.I2CWriteBlock(fd, 0, make([]byte, size)); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// I2C_RDWR names addresses in memory, where no filter sees them. This bus has SMBus
// only, so that it, a plain write and a plain read end there with EOPNOTSUPP.
func TestI2CStubHasSMBusOnly(t *testing.T) {
	f := bus(t, 0x23)
	type message struct {
		address, _, length uint16
		data               *byte
	}
	data := byte(1)
	messages := []message{{address: 0x50, length: 1, data: &data}}
	arg := struct {
		messages *message
		count    uint32
	}{&messages[0], 1}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), 0x707, uintptr(unsafe.Pointer(&arg))); e != unix.EOPNOTSUPP {
		t.Errorf("I2C_RDWR: %v", e)
	}
	if _, err := f.Write([]byte{1}); !errors.Is(err, unix.EOPNOTSUPP) {
		t.Errorf("write: %v", err)
	}
	if _, err := f.Read(make([]byte, 1)); !errors.Is(err, unix.EOPNOTSUPP) {
		t.Errorf("read: %v", err)
	}
}
