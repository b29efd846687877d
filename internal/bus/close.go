package bus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"sallyport/internal/fault"
	"sallyport/internal/reading"
	"sallyport/pkg/sysvctl"
)

const (
	drainTick = 5 * time.Millisecond
	maxDumped = 8 // messages of a lane that are written to the log one by one
	rowsOfIPC = "/proc/sysvipc/msg"
)

// Drain revokes every sender and waits until the workers have emptied their
// lanes, or ctx ends: then its error says how many messages are left. Somebody
// must go on reading the tap, or it counts as left. Acknowledgements are not
// waited for.
func (b *Bus) Drain(ctx context.Context) error {
	if err := b.revokeAll(); err != nil {
		return err
	}
	fault.Point("P12")
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	for {
		left, err := b.left()
		if err != nil {
			return err
		}
		if left == 0 {
			fault.Point("P13")
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("bus: drain: %d messages are left: %w", left, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

func (b *Bus) revokeAll() error {
	var errs []error
	done := map[uint32]bool{}
	for _, m := range b.cfg.Members {
		if !done[m.ID] {
			done[m.ID] = true
			errs = append(errs, b.Revoke(m.ID))
		}
	}
	return errors.Join(errs...)
}

func (b *Bus) left() (uint64, error) {
	var n uint64
	for _, r := range b.rows {
		if r.kind == ack {
			continue
		}
		st, err := r.q.Stat()
		if err != nil {
			return 0, fmt.Errorf("bus: drain %v: %w", r, err)
		}
		n += st.Messages
	}
	return n, nil
}

// Close revokes every sender, writes what is left in the lanes to the log,
// removes every lane and closes the bells. It tries everything, whatever
// happens. The second call does nothing.
func (b *Bus) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	errs := []error{b.revokeAll()}
	for _, r := range b.rows {
		if r.kind != ack {
			errs = append(errs, b.dump(r))
		}
	}
	errs = append(errs, b.remove(), b.bells.close())
	return errors.Join(errs...)
}

// dump takes all messages of a lane away and says what they were.
func (b *Bus) dump(r *row) error {
	shown := 0
	n, err := r.q.Drain(context.Background(), func(m sysvctl.Message) {
		if shown++; shown > maxDumped {
			return
		}
		f, err := reading.Decode(m.Data)
		if err != nil {
			b.cfg.Log("left in a lane", "lane", r.String(), "bytes", len(m.Data), "error", err)
			return
		}
		b.cfg.Log("left in a lane", "lane", r.String(), "kind", f.Kind.String(), "sensor", f.Sensor, "epoch", f.Epoch, "seq", f.Seq, "value", f.Value)
	})
	if n > maxDumped {
		b.cfg.Log("left in a lane", "lane", r.String(), "messages", n, "shown", maxDumped)
	}
	if err != nil && !errors.Is(err, sysvctl.ErrRemoved) {
		return fmt.Errorf("bus: dump %v: %w", r, err)
	}
	return nil
}

func (b *Bus) remove() error {
	fault.Point("P16")
	var errs []error
	for _, r := range b.rows {
		if r.q == nil {
			continue
		}
		if err := r.q.Remove(); err != nil && !errors.Is(err, sysvctl.ErrRemoved) {
			errs = append(errs, fmt.Errorf("bus: remove %v: %w", r, err))
		}
	}
	if len(errs) == 0 {
		errs = append(errs, b.forget())
	}
	return errors.Join(errs...)
}

// Rows counts the message queues of the IPC namespace as the kernel lists them.
func Rows() (int, error) {
	f, err := os.Open(rowsOfIPC)
	if err != nil {
		return 0, fmt.Errorf("count the queues: %w", err)
	}
	defer f.Close()
	n := -1 // the heading
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		n++
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("count the queues: %w", err)
	}
	return max(n, 0), nil
}
