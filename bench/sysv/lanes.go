package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/lane"
	"sallyport/pkg/sysvctl"
)

// The same load as in the strategies, but through package lane, as workers send
// and receive: frames, sequence numbers, acknowledgements and a bell.
const (
	laneReceiver = 99   // number of the receiving worker
	laneBell     = 3    // descriptor of the bell in a sender
	laneAlerts   = 1000 // number of the worker that sends alerts
)

// laneOut are the lanes of one of the senders to the receiver.
func laneOut(urgent, routine, ack int) lane.Out {
	return lane.Out{Queue: "bench", To: laneReceiver, Urgent: int32(urgent), Routine: int32(routine), Ack: int32(ack),
		Bell: "bell", Bands: map[string]uint16{"alert": alertType, "reading": readingType}, Full: lane.Block}
}

func laneSender(worker int, out lane.Out) (*lane.Sender, error) {
	if err := unix.SetNonblock(laneBell, true); err != nil { // os/exec takes it away
		return nil, err
	}
	bell := os.NewFile(laneBell, "bell")
	return lane.NewSender(lane.SenderConfig{Worker: uint32(worker), Epoch: 1, Outs: []lane.Out{out}, Bells: map[string]*os.File{"bell": bell}})
}

// saturateLane sends readings and waits for room, for ever.
func saturateLane(worker, routine int) error {
	s, err := laneSender(worker, laneOut(-1, routine, -1))
	if err != nil {
		return err
	}
	for {
		if err := s.Reading(1, "reading", 1, ""); err != nil {
			if errors.Is(err, sysvctl.ErrRemoved) {
				return nil
			}
			return err
		}
	}
}

// alertLane sends an alert every 5 ms; a frame has the moment of its call.
func alertLane(worker, urgent, ack, count int) error {
	s, err := laneSender(worker, laneOut(urgent, -1, ack))
	if err != nil {
		return err
	}
	for range count {
		time.Sleep(5 * time.Millisecond)
		if err := s.Alert(1, "alert", 1, "", ""); err != nil {
			return err
		}
		s.Tick()
	}
	return nil
}

// runLanes measures in ms, from the call of Alert until Receive has the alert.
func runLanes(count int) (took []float64, err error) {
	var queues []*sysvctl.Queue
	defer func() {
		for _, q := range queues {
			err = errors.Join(err, q.Remove())
		}
	}()
	for range 2 + saturating { // urgent, ack, and one routine lane a sender
		q, err := sysvctl.Create(sysvctl.Private, sysvctl.Options{})
		if err != nil {
			return nil, err
		}
		queues = append(queues, q)
	}
	hear, ring, err := sysvctl.NewDoorbell()
	if err != nil {
		return nil, err
	}
	defer hear.Close()
	defer ring.Close()
	ins := []lane.In{{From: laneAlerts, Urgent: int32(queues[0].ID()), Routine: lane.NoLane, Ack: int32(queues[1].ID())}}
	var children []*exec.Cmd
	defer func() { kill(children) }()
	start := func(c *exec.Cmd) error {
		c.ExtraFiles = []*os.File{ring}
		if err := c.Start(); err != nil {
			return err
		}
		children = append(children, c)
		return nil
	}
	for i, q := range queues[2:] {
		ins = append(ins, lane.In{From: uint32(i + 1), Urgent: lane.NoLane, Routine: int32(q.ID()), Ack: lane.NoLane})
		if err := start(child("", -1, "saturate-lane", i+1, q.ID())); err != nil {
			return nil, err
		}
	}
	time.Sleep(100 * time.Millisecond) // until the lanes are full
	if err := start(child("", -1, "alert-lane", laneAlerts, queues[0].ID(), queues[1].ID(), count)); err != nil {
		return nil, err
	}
	r, err := lane.NewReceiver(lane.ReceiverConfig{Worker: laneReceiver, Ins: ins, Bell: hear})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for len(took) < count {
		item, err := r.Receive(ctx)
		if err != nil {
			return nil, err
		}
		if item.Urgent {
			now, _ := lane.SystemClock()
			took = append(took, float64(now-item.Frame.Boottime)/1e6)
		}
		for until := monotonic() + int64(handling); monotonic() < until; {
		}
	}
	return took, nil
}
