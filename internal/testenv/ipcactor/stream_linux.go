package ipcactor

import (
	"bytes"
	"encoding/binary"
	"syscall"

	"sallyport/internal/sys"
)

// numbered is message i of a stream: its number, and bytes that follow from it.
func numbered(i int) []byte {
	text := make([]byte, 4+i*37%96)
	for at := range text {
		text[at] = byte(i + at)
	}
	binary.LittleEndian.PutUint32(text, uint32(i))
	return text
}

// pour sends count numbered messages and waits for room.
func pour(id int32, mtype int64, count int) error {
	for i := 0; i < count; {
		switch err := sys.MsgSend(id, mtype, numbered(i), 0); err {
		case nil:
			i++
		case syscall.EINTR:
		default:
			return err
		}
	}
	return nil
}

// sink takes count messages and returns how many came whole and in order.
func sink(id int32, mtype int64, count int) (good int, err error) {
	buf := make([]byte, 256)
	for i := 0; i < count; {
		n, _, err := sys.MsgReceive(id, buf, mtype, 0)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return good, err
		case bytes.Equal(buf[:n], numbered(i)):
			good++
		}
		i++
	}
	return good, nil
}
