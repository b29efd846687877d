// Command rogue stands for a worker that was taken over: it tries to open
// /etc/shadow. It is part of the demo, to show that the call is stopped and
// named. It does so 4 s after its first start and 10 s after every later one.
package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/pkg/worker"
)

func main() { worker.Run(rogue) }

func rogue(ctx context.Context, w *worker.Worker) error {
	if err := w.Ready(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(patience(w.Epoch())):
	}
	// Confined, the process ends inside this call.
	fd, err := unix.Openat(unix.AT_FDCWD, "/etc/shadow", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd) // not a byte of it is read
		return fmt.Errorf("/etc/shadow could be opened: this worker is not confined; see what `sallyport status` says is not enforced")
	}
	return fmt.Errorf("opening /etc/shadow was refused (%w), but did not end this worker: no filter is in force; see what `sallyport status` says is not enforced", err)
}

func patience(epoch uint32) time.Duration {
	if epoch == 1 {
		return 4 * time.Second
	}
	return 10 * time.Second
}
