package sysvctl

import (
	"fmt"
	"os"
	"strconv"

	"sallyport/internal/sys"
)

// Limits are the limits of the IPC namespace of the calling process.
type Limits struct {
	Queues uint64 // kernel.msgmni
	QBytes uint64 // kernel.msgmnb, bytes: msg_qbytes of a new queue, and its limit without CAP_SYS_RESOURCE
	Size   uint64 // kernel.msgmax, bytes of one message
}

// ReadLimits reads the limits (IPC_INFO).
func ReadLimits() (Limits, error) {
	i, err := sys.MsgLimits(sys.MsgInfoIPC)
	if err != nil {
		return Limits{}, &Error{Op: "IPC_INFO", ID: -1, Kind: kindOf(err), Err: err}
	}
	return Limits{Queues: uint64(i.Mni), QBytes: uint64(i.Mnb), Size: uint64(i.Max)}, nil
}

// SetLimits writes those limits that are not zero, for the IPC namespace of the
// calling process. Root of the namespace may do it where /proc/sys can be
// written. Queues that exist keep their size.
func SetLimits(l Limits) error {
	for _, f := range []struct {
		name  string
		value uint64
	}{{"msgmni", l.Queues}, {"msgmnb", l.QBytes}, {"msgmax", l.Size}} {
		if f.value == 0 {
			continue
		}
		path := "/proc/sys/kernel/" + f.name
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("limit of message queues: %w", err)
		}
		_, err = file.WriteString(strconv.FormatUint(f.value, 10))
		if cerr := file.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return fmt.Errorf("limit of message queues: %w", err)
		}
	}
	return nil
}
