package sys

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ScmMessage is a struct msghdr (recvmsg(2)) in terms of Go. The slices stay the
// caller's and are not kept after the call.
type ScmMessage struct {
	Data    [][]byte // at most ScmMaxBuffers of them
	Control []byte   // sending: control messages, nil for none; receiving: room, cut to what came
	Name    []byte   // sending: the peer's address, nil when connected; receiving: room, cut to what came

	N     int // receiving: data bytes, with MSG_TRUNC those that the record had
	Flags int // receiving: msg_flags
}

// ScmMaxBuffers is UIO_MAXIOV of the kernel's include/uapi/linux/uio.h: more
// buffers in one call are EMSGSIZE. It is the limit for messages of one batch too.
const ScmMaxBuffers = 1024

// scmMmsghdr is struct mmsghdr of sendmmsg(2).
type scmMmsghdr struct {
	header unix.Msghdr
	n      uint32
}

// ScmSendMessage is sendmsg(2). It returns the number of bytes that were sent.
func ScmSendMessage(fd int, m *ScmMessage, flags int) (int, error) {
	var h unix.Msghdr
	m.fill(&h)
	n, _, errno := unix.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), uintptr(flags))
	runtime.KeepAlive(m)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// ScmReceiveMessage is recvmsg(2) of one message into m. Descriptors in
// m.Control are the caller's from now on, whatever else the call said.
func ScmReceiveMessage(fd int, m *ScmMessage, flags int) error {
	var h unix.Msghdr
	m.fill(&h)
	n, _, errno := unix.Syscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), uintptr(flags))
	runtime.KeepAlive(m)
	if errno != 0 {
		return errno
	}
	m.read(&h, int(n))
	return nil
}

// ScmSendBatch is sendmmsg(2). It returns how many messages were sent; an errno
// only when that is none. Why the next one was not sent it does not say.
func ScmSendBatch(fd int, batch []ScmMessage, flags int) (int, error) {
	headers := scmFillAll(batch)
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(headers))), uintptr(len(headers)), uintptr(flags), 0, 0)
	runtime.KeepAlive(headers)
	runtime.KeepAlive(batch)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// ScmReceiveBatch is recvmmsg(2) without a timeout. It returns how many messages
// were received; what comes in their control messages is the caller's. An error
// after the first message is kept by the kernel for the next call.
func ScmReceiveBatch(fd int, batch []ScmMessage, flags int) (int, error) {
	headers := scmFillAll(batch)
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(headers))), uintptr(len(headers)), uintptr(flags), 0, 0)
	runtime.KeepAlive(batch)
	if errno != 0 {
		return 0, errno
	}
	for i := range headers[:n] {
		batch[i].read(&headers[i].header, int(headers[i].n))
	}
	return int(n), nil
}

func scmFillAll(batch []ScmMessage) []scmMmsghdr {
	headers := make([]scmMmsghdr, len(batch))
	for i := range batch {
		batch[i].fill(&headers[i].header)
	}
	return headers
}

func (m *ScmMessage) fill(h *unix.Msghdr) {
	if len(m.Data) > 0 {
		vector := make([]unix.Iovec, len(m.Data))
		for i, b := range m.Data {
			vector[i].Base = unsafe.SliceData(b)
			vector[i].SetLen(len(b))
		}
		h.Iov = &vector[0]
		h.SetIovlen(len(vector))
	}
	if len(m.Control) > 0 {
		h.Control = &m.Control[0]
		h.SetControllen(len(m.Control))
	}
	if len(m.Name) > 0 {
		h.Name = &m.Name[0]
		h.Namelen = uint32(len(m.Name))
	}
}

func (m *ScmMessage) read(h *unix.Msghdr, n int) {
	m.N, m.Flags = n, int(h.Flags)
	m.Control = m.Control[:min(int(h.Controllen), len(m.Control))]
	m.Name = m.Name[:min(int(h.Namelen), len(m.Name))]
}
