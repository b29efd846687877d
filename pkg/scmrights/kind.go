package scmrights

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Kind says what a descriptor is, so that both ends can compare it with what
// the kernel says about it.
type Kind uint8

// The kinds of the wire.
const (
	KindAttribute Kind = 1 + iota // a file of sysfs, procfs or like them: read anew from offset 0
	KindFile
	KindDirectory
	KindGPIOLine
	KindI2C
	KindSPI
	KindTTY
	KindEvdev
	KindListener
	KindStream
	KindDatagram
	KindMemfd
	KindEventfd
	KindPipe
	KindNamespace

	KindOther Kind = 255 // nothing is compared
)

var kindNames = map[Kind]string{
	KindAttribute: "attribute", KindFile: "file", KindDirectory: "directory", KindGPIOLine: "gpio-line",
	KindI2C: "i2c", KindSPI: "spi", KindTTY: "tty", KindEvdev: "evdev", KindListener: "listener",
	KindStream: "stream", KindDatagram: "datagram", KindMemfd: "memfd", KindEventfd: "eventfd",
	KindPipe: "pipe", KindNamespace: "namespace", KindOther: "other",
}

func (k Kind) String() string { return wordOf(kindNames, k, "kind") }

func (k Kind) known() bool { return k >= KindAttribute && k <= KindNamespace || k == KindOther }

// fileType is the S_IFMT part of st_mode that a descriptor of kind k must have;
// 0 stands for kinds of which the kernel does not say one (anonymous inodes).
func (k Kind) fileType() uint32 {
	switch k {
	case KindAttribute, KindFile, KindMemfd:
		return unix.S_IFREG
	case KindDirectory:
		return unix.S_IFDIR
	case KindI2C, KindSPI, KindTTY, KindEvdev:
		return unix.S_IFCHR
	case KindListener, KindStream, KindDatagram:
		return unix.S_IFSOCK
	case KindPipe:
		return unix.S_IFIFO
	}
	return 0
}

func (k Kind) fits(mode uint32) bool {
	t := k.fileType()
	return t == 0 || mode&unix.S_IFMT == t
}

// neverWaits says that reading a descriptor of kind k does not wait, so that
// O_NONBLOCK changes nothing but where Go's runtime puts it.
func (k Kind) neverWaits() bool {
	switch k {
	case KindAttribute, KindFile, KindDirectory, KindMemfd:
		return true
	}
	return false
}

// opensByChoice says that a descriptor of kind k is open for reading, writing
// or both as whoever opened it wanted.
func (k Kind) opensByChoice() bool {
	switch k.fileType() {
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFCHR, unix.S_IFIFO:
		return true
	}
	return false
}

// Mode says who has the descriptor after the hand-over.
type Mode uint8

// The modes of the wire.
const (
	ModeShare     Mode = iota // both: the parent keeps its copy
	ModeMove                  // the worker: the parent closes its copy when the receipt is in
	ModeExclusive             // the worker, proved to be the only holder before the plugin sees it
	ModeLend                  // the worker, until Conn.Revoke: the parent keeps its copy, the worker's library closes its own
)

var modeNames = map[Mode]string{ModeShare: "share", ModeMove: "move", ModeExclusive: "exclusive", ModeLend: "lend"}

func (m Mode) String() string { return wordOf(modeNames, m, "mode") }

// Access says for what the worker is to use the descriptor.
type Access uint8

// The accesses of the wire.
const (
	AccessRead Access = iota
	AccessWrite
	AccessBoth
)

var accessNames = map[Access]string{AccessRead: "read", AccessWrite: "write", AccessBoth: "both"}

func (a Access) String() string { return wordOf(accessNames, a, "access") }

func wordOf[K ~uint8 | ~uint16](names map[K]string, k K, what string) string {
	if s, found := names[k]; found {
		return s
	}
	return fmt.Sprintf("%s %d", what, k)
}
