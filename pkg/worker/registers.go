package worker

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"sallyport/internal/sys"
)

// ReadRegisters fills p, 1 to 32 bytes, with the registers from first on of the I2C
// device granted under name, in one transfer. Devices without registers are read and
// written through File, where their bus can do that. ErrLost means that the bus went
// away; a device that does not answer is the kernel's EIO, ENXIO or EREMOTEIO, and
// the next call may succeed.
func (w *Worker) ReadRegisters(name string, first byte, p []byte) error {
	return w.registers("read registers", name, func(fd int) error {
		n, err := sys.I2CReadBlock(fd, first, p)
		if err == nil && n < len(p) {
			return io.ErrUnexpectedEOF
		}
		return err
	})
}

// WriteRegisters writes p, 1 to 32 bytes, to the registers from first on.
func (w *Worker) WriteRegisters(name string, first byte, p []byte) error {
	return w.registers("write registers", name, func(fd int) error { return sys.I2CWriteBlock(fd, first, p) })
}

func (w *Worker) registers(op, name string, do func(fd int) error) error {
	_, raw, err := w.grants.cell(name).now()
	if err != nil {
		return fail(op, name, err)
	}
	if e := raw.Control(func(fd uintptr) { err = do(int(fd)) }); e != nil {
		err = e
	}
	if errors.Is(err, unix.ENODEV) {
		err = w.orLost(name, err)
	}
	return fail(op, name, err)
}
