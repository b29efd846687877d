package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	i2cSMBus     = 0x0720 // I2C_SMBUS of linux/i2c-dev.h
	i2cBlockData = 8      // I2C_SMBUS_I2C_BLOCK_DATA of linux/i2c.h

	// I2CBlockMax is the number of registers that one transfer can carry,
	// I2C_SMBUS_BLOCK_MAX.
	I2CBlockMax = 32
)

// smbusArgs is struct i2c_smbus_ioctl_data; data is union i2c_smbus_data, for blocks
// the length and the bytes.
type smbusArgs struct {
	read, command uint8
	size          uint32
	data          *[I2CBlockMax + 2]byte
}

// I2CReadBlock reads len(p), 1 to 32, registers from the first on, of the device
// that the descriptor is aimed at. It may read fewer; n says how many.
func I2CReadBlock(fd int, first byte, p []byte) (n int, err error) {
	if len(p) < 1 || len(p) > I2CBlockMax {
		return 0, unix.EINVAL
	}
	data := [I2CBlockMax + 2]byte{byte(len(p))}
	if err := i2cCall(fd, &smbusArgs{read: 1, command: first, size: i2cBlockData, data: &data}); err != nil {
		return 0, err
	}
	return copy(p, data[1:1+min(int(data[0]), I2CBlockMax)]), nil
}

// I2CWriteBlock writes len(p), 1 to 32, registers from the first on.
func I2CWriteBlock(fd int, first byte, p []byte) error {
	if len(p) < 1 || len(p) > I2CBlockMax {
		return unix.EINVAL
	}
	data := [I2CBlockMax + 2]byte{byte(len(p))}
	copy(data[1:], p)
	return i2cCall(fd, &smbusArgs{command: first, size: i2cBlockData, data: &data})
}

// i2cCall is not tried again after EINTR: half a transfer may have happened.
func i2cCall(fd int, args *smbusArgs) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), i2cSMBus, uintptr(unsafe.Pointer(args))); e != 0 {
		return e
	}
	return nil
}
