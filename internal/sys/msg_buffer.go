package sys

import "unsafe"

// MsgBuffer is memory that msgrcv(2) writes to: a native long for the type and
// the text behind it. A receiver that keeps one copies nothing and clears
// nothing for each message.
type MsgBuffer struct {
	words []int
	size  int // bytes of text
}

// NewMsgBuffer makes a buffer for texts of at most size bytes.
func NewMsgBuffer(size int) *MsgBuffer {
	const long = int(unsafe.Sizeof(int(0)))
	return &MsgBuffer{words: make([]int, 1+(size+long-1)/long), size: size}
}

// Text is the first n bytes of the text, n at most the size.
func (b *MsgBuffer) Text(n int) []byte {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&b.words[1])), n)
}

// Receive is msgrcv(2) into the buffer. The rules about blocking are those of MsgSend.
func (b *MsgBuffer) Receive(id int32, mtype int64, flags int) (n int, got int64, err error) {
	n, err = msgReceive(id, unsafe.Pointer(&b.words[0]), b.size, mtype, flags)
	return n, int64(b.words[0]), err
}
