package seccomp

import (
	"maps"
	"slices"
)

// handConstants are those that golang.org/x/sys/unix lacks, or has with the
// value of the C library and not of the kernel.
var handConstants = map[string][3]int64{
	// The C library of a 64-bit system has 0 here, while the kernel sets the bit
	// on every open file and F_GETFL returns it (include/uapi/asm-generic/fcntl.h,
	// arch/arm*/include/uapi/asm/fcntl.h).
	"O_LARGEFILE": {0x8000, 0x20000, 0x20000},
	// include/uapi/linux/msg.h; MSG_NOSIGNAL and others of sendmsg share the bits.
	"MSG_NOERROR": {0x1000, 0x1000, 0x1000},
	"MSG_EXCEPT":  {0x2000, 0x2000, 0x2000},
	"MSG_COPY":    {0x4000, 0x4000, 0x4000},
	// include/uapi/linux/i2c-dev.h
	"I2C_RETRIES":     {0x701, 0x701, 0x701},
	"I2C_TIMEOUT":     {0x702, 0x702, 0x702},
	"I2C_SLAVE":       {0x703, 0x703, 0x703},
	"I2C_TENBIT":      {0x704, 0x704, 0x704},
	"I2C_FUNCS":       {0x705, 0x705, 0x705},
	"I2C_SLAVE_FORCE": {0x706, 0x706, 0x706},
	"I2C_RDWR":        {0x707, 0x707, 0x707},
	"I2C_SMBUS":       {0x720, 0x720, 0x720},
	// include/uapi/linux/spi/spidev.h
	"SPI_IOC_WR_MODE":          {0x40016b01, 0x40016b01, 0x40016b01},
	"SPI_IOC_WR_LSB_FIRST":     {0x40016b02, 0x40016b02, 0x40016b02},
	"SPI_IOC_WR_BITS_PER_WORD": {0x40016b03, 0x40016b03, 0x40016b03},
	"SPI_IOC_WR_MAX_SPEED_HZ":  {0x40046b04, 0x40046b04, 0x40046b04},
	"SPI_IOC_WR_MODE32":        {0x40046b05, 0x40046b05, 0x40046b05},
	// include/uapi/linux/gpio.h; the last of them re-configures a line.
	"GPIO_V2_LINE_SET_CONFIG_IOCTL": {0xc110b40d, 0xc110b40d, 0xc110b40d},
	// include/uapi/asm-generic/ioctls.h
	"FIONREAD": {0x541b, 0x541b, 0x541b},
	"FIONBIO":  {0x5421, 0x5421, 0x5421},
	"FIONCLEX": {0x5450, 0x5450, 0x5450},
	"FIOCLEX":  {0x5451, 0x5451, 0x5451},
	// include/uapi/linux/futex.h
	"FUTEX_WAIT":          {0, 0, 0},
	"FUTEX_WAKE":          {1, 1, 1},
	"FUTEX_PRIVATE_FLAG":  {128, 128, 128},
	"FUTEX_WAIT_PRIVATE":  {128, 128, 128},
	"FUTEX_WAKE_PRIVATE":  {129, 129, 129},
	"AT_EMPTY_PATH":       {0x1000, 0x1000, 0x1000},
	"AT_SYMLINK_NOFOLLOW": {0x100, 0x100, 0x100},
}

// Constant is the value of a named constant of arguments on one architecture.
func Constant(a Arch, name string) (uint64, bool) {
	row, ok := handConstants[name]
	if !ok {
		row, ok = constantTable[name]
	}
	if ok && a >= AMD64 && a <= ARM && row[a-AMD64] >= 0 {
		return uint64(row[a-AMD64]), true
	}
	if s, ok := signalTable[name]; ok {
		return uint64(s), true
	}
	return 0, false
}

func knownConstant(name string) bool {
	for _, a := range Archs {
		if _, ok := Constant(a, name); ok {
			return true
		}
	}
	return false
}

func constantNames() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(constantTable)), maps.Keys(handConstants))
	return slices.AppendSeq(names, maps.Keys(signalTable))
}

// ErrnoName is the name of an errno, "" for one that has none.
func ErrnoName(e uint16) string { return errnoName(e) }

func errnoName(e uint16) string {
	best := ""
	for name, v := range errnoTable {
		// EWOULDBLOCK, EDEADLOCK and ENOTSUP are second names.
		if v == e && (best == "" || len(name) < len(best) || len(name) == len(best) && name < best) {
			best = name
		}
	}
	return best
}
