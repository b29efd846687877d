package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"sallyport/internal/fault"
	"sallyport/internal/lane"
	"sallyport/internal/monitor"
	"sallyport/pkg/scmrights"
)

// grant takes the steps from a proof to START, as far as the worker speaks the
// hand-over: WELCOME, one OFFER with everything the configuration names, a
// receipt for each descriptor, START. Devices are shared unless the configuration
// says otherwise, so that a successor gets the same open files; bells and day files
// are moved: the parent has no use for its copy. What the worker is to have alone
// is an OFFER of its own.
func (x *session) grant() error {
	small := x.w.cfg.Protocol < 2
	if !small {
		if err := x.conn.Welcome(x.epoch); err != nil {
			return fmt.Errorf("WELCOME: %w", err)
		}
	}
	items, moved, err := x.items()
	if err != nil {
		return err
	}
	if x.w.cfg.Protocol == 0 && len(items) == 0 {
		return errors.New("nothing is there to be granted, and its launcher waits for something")
	}
	fault.Point("P1") // opened, and nothing is sent
	x.handover = 0
	together := slices.DeleteFunc(slices.Clone(items), isExclusive)
	if err = x.offer(together); err == nil {
		err = x.offer(slices.DeleteFunc(items, func(it scmrights.Item) bool { return !isExclusive(it) }))
	}
	if closeErr := closeAll(moved); err == nil {
		err = closeErr
	}
	if err != nil || small {
		return err
	}
	body, err := x.w.start().Encode()
	if err != nil {
		return fmt.Errorf("START: %w", err)
	}
	if err := x.conn.Send(lane.MsgStart, body); err != nil {
		return fmt.Errorf("START: %w", err)
	}
	return nil
}

// items gathers what the worker is granted. The ledger of the Conn holds
// duplicates of its own; moved lists the files that nobody needs after that.
func (x *session) items() (items []scmrights.Item, moved []*os.File, err error) {
	w := x.w
	for _, name := range w.cfg.Devices {
		granted, owned, err := w.s.now().inputs.items(name)
		items, moved = append(items, granted...), append(moved, owned...)
		if err != nil {
			return nil, nil, errors.Join(err, closeAll(moved))
		}
	}
	for _, name := range w.cfg.Directories {
		item, err := w.s.now().inputs.segment(name)
		if err != nil {
			return nil, nil, errors.Join(err, closeAll(moved))
		}
		items, moved = append(items, item), append(moved, item.File)
	}
	sockets, owned, err := w.s.now().inputs.sockets(w.cfg)
	items, moved = append(items, sockets...), append(moved, owned...)
	if err != nil {
		return nil, nil, errors.Join(err, closeAll(moved))
	}
	bells, err := w.s.now().bus.Bells(w.cfg.ID)
	if err != nil {
		return nil, nil, errors.Join(err, closeAll(moved))
	}
	for _, b := range bells {
		access := scmrights.AccessWrite
		if b.Read {
			access = scmrights.AccessRead
		}
		items = append(items, scmrights.Item{Name: b.Name, Kind: scmrights.KindPipe, Mode: scmrights.ModeMove, Access: access, File: b.File})
		moved = append(moved, b.File)
	}
	return items, moved, nil
}

// offer sends items and waits for every receipt.
func (x *session) offer(items []scmrights.Item) error {
	if len(items) == 0 {
		return nil
	}
	begin := time.Now()
	grants, err := x.offerWithin(items)
	if err != nil {
		return fmt.Errorf("OFFER: %w", err)
	}
	for _, g := range grants {
		if err := g.Wait(x.ctx); err != nil {
			return fmt.Errorf("grant of %q: %w", g.Name(), err)
		}
	}
	x.grantedAt = time.Now()
	x.handover += x.grantedAt.Sub(begin)
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, g := range grants {
		x.granted = append(x.granted, g.Name())
	}
	x.grants = append(x.grants, grants...)
	return nil
}

// inFlight bounds the descriptors, receipt pipes among them, that are on their way
// to all workers together: the kernel stops no privileged sender. It is what an
// unprivileged program could have there by default.
const inFlight = 1024

// An offer that finds no room looks for it again and again: by roomWithin every
// worker has written its receipts, or is ended for it.
const (
	roomLook   = 5 * time.Millisecond
	roomWithin = 6 * time.Second
)

// offerWithin offers items when there is room for them: in the budget of all
// workers, and in this one.
func (x *session) offerWithin(items []scmrights.Item) ([]*scmrights.Grant, error) {
	for late := time.Now().Add(roomWithin); ; {
		grants, err := x.conn.Offer(x.proof, items)
		if !errors.Is(err, scmrights.ErrBusy) || time.Now().After(late) {
			return grants, err
		}
		select {
		case <-x.ctx.Done():
			return nil, err
		case <-time.After(roomLook):
		}
	}
}

func isExclusive(it scmrights.Item) bool { return it.Mode == scmrights.ModeExclusive }

// callBack asks for what was lent; a worker that keeps it ends for that.
func (x *session) callBack() {
	x.mu.Lock()
	lent := slices.DeleteFunc(slices.Clone(x.grants), func(g *scmrights.Grant) bool { return g.Mode() != scmrights.ModeLend })
	x.mu.Unlock()
	if len(lent) == 0 {
		return
	}
	switch err := x.conn.Revoke(x.ctx, lent...); {
	case err == nil:
		x.w.log.Info("what was lent is back", "grants", len(lent))
	case x.ctx.Err() == nil:
		x.w.log.Warn("what was lent did not come back", "why", err)
	}
}

// regrant offers something again to the living worker, beside the loop: a
// receipt may take as long as its deadline. It takes the items' files.
func (x *session) regrant(item scmrights.Item, owned bool) {
	x.offering.Add(1)
	x.offers.Go(func() {
		defer func() {
			x.offering.Add(-1)
			x.nudge()
		}()
		grants, err := x.offerWithin([]scmrights.Item{item})
		if owned {
			err = errors.Join(err, closeAll([]*os.File{item.File}))
		}
		if err == nil {
			err = grants[0].Wait(x.ctx)
		}
		if err == nil {
			x.mu.Lock()
			x.grants = append(slices.DeleteFunc(x.grants, func(g *scmrights.Grant) bool { return g.Name() == item.Name }), grants...)
			x.mu.Unlock()
		}
		if err != nil && x.ctx.Err() == nil {
			x.post(monitor.Event{Kind: monitor.Failed, Reason: fmt.Sprintf("grant of %q: %v", item.Name, err)})
		}
	})
}

// nudge makes the loop turn once, without anything having happened.
func (x *session) nudge() {
	select {
	case x.w.inbox <- note{epoch: x.epoch, nudge: true}:
	default: // it turns anyway
	}
}

// start is what START tells the worker.
func (w *worker) start() *lane.Start {
	st := &lane.Start{Worker: lane.StartWorker{ID: w.cfg.ID, Name: w.cfg.Name}, Settings: w.cfg.Settings,
		Send: w.s.now().bus.Outs(w.cfg.ID), Receive: w.s.now().bus.Ins(w.cfg.ID)}
	heard := map[uint32]bool{w.cfg.ID: true}
	for _, in := range st.Receive {
		heard[in.From] = true
	}
	for i, sensor := range w.s.now().sensors {
		if sensor.gone || !heard[sensor.worker] {
			continue
		}
		one := lane.Sensor{ID: uint32(i + 1), Name: sensor.name, Worker: sensor.worker, Unit: sensor.unit, Decode: sensor.decode}
		if sensor.worker == w.cfg.ID && sensor.attribute { // else its worker makes the number itself
			one.Grant = sensor.name
		}
		st.Sensors = append(st.Sensors, one)
	}
	if len(st.Receive) > 0 {
		st.Bell = "bell"
	}
	return st
}

// mayHold says whether a name is among what the worker is granted.
func (w *worker) mayHold(name string) bool {
	return slices.Contains(w.cfg.Sockets, name) || w.s.now().inputs.grants(name, w.cfg.Devices, w.cfg.Directories)
}

func closeAll(files []*os.File) error {
	var errs []error
	for _, f := range files {
		if err := f.Close(); !errors.Is(err, os.ErrClosed) { // an exclusive offer closes it itself
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
