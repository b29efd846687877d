package sys

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ScmMaxRights is the number of descriptors that one send can carry: SCM_MAX_FD
// of the kernel's include/net/scm.h.
const ScmMaxRights = 253

// ErrScmControl tells of control bytes that are not a row of control messages.
var ErrScmControl = errors.New("malformed control message")

// ScmControlSpace is the size of a control buffer that holds what the kernel
// can put beside one record: credentials, n descriptors and a pidfd.
func ScmControlSpace(n int) int {
	return unix.CmsgSpace(unix.SizeofUcred) + unix.CmsgSpace(4*n) + unix.CmsgSpace(4)
}

// ScmAppendRights appends an SCM_RIGHTS control message with the numbers in
// fds, in that order, padded as cmsg(3) asks.
func ScmAppendRights(dst []byte, fds []int) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, unix.CmsgSpace(4*len(fds)))...)
	head := dst[start:]
	scmPutLen(head, unix.CmsgLen(4*len(fds)))
	word := scmWord()
	binary.NativeEndian.PutUint32(head[word:], unix.SOL_SOCKET)
	binary.NativeEndian.PutUint32(head[word+4:], unix.SCM_RIGHTS)
	for i, n := range fds {
		binary.NativeEndian.PutUint32(head[unix.CmsgLen(0)+4*i:], uint32(int32(n)))
	}
	return dst
}

// ScmAppendCredentials appends an SCM_CREDENTIALS control message.
func ScmAppendCredentials(dst []byte, c unix.Ucred) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, unix.CmsgSpace(unix.SizeofUcred))...)
	head := dst[start:]
	scmPutLen(head, unix.CmsgLen(unix.SizeofUcred))
	word := scmWord()
	binary.NativeEndian.PutUint32(head[word:], unix.SOL_SOCKET)
	binary.NativeEndian.PutUint32(head[word+4:], unix.SCM_CREDENTIALS)
	body := head[unix.CmsgLen(0):]
	binary.NativeEndian.PutUint32(body, uint32(c.Pid))
	binary.NativeEndian.PutUint32(body[4:], c.Uid)
	binary.NativeEndian.PutUint32(body[8:], c.Gid)
	return dst
}

// ScmControl is what came beside one record.
type ScmControl struct {
	Rights  []int       // every descriptor of every SCM_RIGHTS message, and the pidfd of an SCM_PIDFD message, in order
	Pidfds  int         // how many of Rights came as SCM_PIDFD: the last ones, for the kernel writes that message last
	Creds   *unix.Ucred // the sender's, nil when the kernel sent none
	Denied  []error     // errnos where the kernel has put one in place of a descriptor
	NoPidfd error       // the errno in place of the pidfd
	Unknown int         // control messages of a type not known here
}

// ScmParse reads a row of control messages. When it meets bytes that are none
// it returns ErrScmControl together with what it had found by then, so that
// descriptors found before are not forgotten. Negative numbers, which kernels put
// where a descriptor could not be had, are no descriptors: Denied and NoPidfd.
func ScmParse(control []byte) (ScmControl, error) {
	var c ScmControl
	err := c.Parse(control)
	return c, err
}

// Parse is ScmParse into c, of which Rights is room that is used again.
func (c *ScmControl) Parse(control []byte) error {
	*c = ScmControl{Rights: c.Rights[:0]}
	for len(control) >= unix.CmsgLen(0) {
		size := scmGetLen(control)
		if size < uint64(unix.CmsgLen(0)) || size > uint64(len(control)) {
			return fmt.Errorf("%w: length %d in %d bytes", ErrScmControl, size, len(control))
		}
		word := scmWord()
		level := binary.NativeEndian.Uint32(control[word:])
		kind := binary.NativeEndian.Uint32(control[word+4:])
		c.take(level, kind, control[unix.CmsgLen(0):size])
		next := unix.CmsgSpace(int(size) - unix.CmsgLen(0))
		control = control[min(next, len(control)):]
	}
	if len(control) != 0 {
		return fmt.Errorf("%w: %d bytes left over", ErrScmControl, len(control))
	}
	return nil
}

func (c *ScmControl) take(level, kind uint32, data []byte) {
	switch {
	case level == unix.SOL_SOCKET && (kind == unix.SCM_RIGHTS || kind == unix.SCM_PIDFD):
		for ; len(data) >= 4; data = data[4:] {
			switch n := int32(binary.NativeEndian.Uint32(data)); {
			case n >= 0:
				c.Rights = append(c.Rights, int(n))
				if kind == unix.SCM_PIDFD {
					c.Pidfds++
				}
			case kind == unix.SCM_PIDFD:
				c.NoPidfd = unix.Errno(-int64(n))
			default:
				c.Denied = append(c.Denied, unix.Errno(-int64(n)))
			}
		}
	case level == unix.SOL_SOCKET && kind == unix.SCM_CREDENTIALS && len(data) == unix.SizeofUcred:
		c.Creds = &unix.Ucred{
			Pid: int32(binary.NativeEndian.Uint32(data)),
			Uid: binary.NativeEndian.Uint32(data[4:]),
			Gid: binary.NativeEndian.Uint32(data[8:]),
		}
	default:
		c.Unknown++
	}
}

// scmWord is the size of cmsg_len, a size_t: 8 or 4 bytes.
func scmWord() int { return unix.SizeofCmsghdr - 8 }

func scmPutLen(head []byte, n int) {
	if scmWord() == 8 {
		binary.NativeEndian.PutUint64(head, uint64(n))
	} else {
		binary.NativeEndian.PutUint32(head, uint32(n))
	}
}

func scmGetLen(head []byte) uint64 {
	if scmWord() == 8 {
		return binary.NativeEndian.Uint64(head)
	}
	return uint64(binary.NativeEndian.Uint32(head))
}
