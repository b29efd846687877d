package worker

import (
	"cmp"
	"os"
	"slices"

	"sallyport/internal/lane"
	"sallyport/internal/reading"
)

// begin turns START into what the plugin sees: its sensors, its attributes and
// the lanes it may send on.
func (w *Worker) begin(body []byte) error {
	start, err := lane.DecodeStart(body)
	if err != nil {
		return fail("start", "", err)
	}
	w.start = start
	w.own = map[string]lane.Sensor{}
	w.all = map[uint32]lane.Sensor{}
	for _, s := range start.Sensors {
		w.all[s.ID] = s
		if s.Worker != start.Worker.ID {
			continue
		}
		w.own[s.Name] = s
		if s.Grant == "" {
			continue
		}
		a, err := newAttr(s.Name, s.Unit, s.Decode, w.grants.cell(s.Grant), func() error { return w.Lost(s.Grant) })
		if err != nil {
			return err
		}
		w.attrs = append(w.attrs, a)
	}
	slices.SortFunc(w.attrs, func(a, b *Attr) int { return cmp.Compare(a.name, b.name) })
	bells, err := w.bells()
	if err != nil {
		return err
	}
	if len(start.Send) == 0 {
		return nil
	}
	w.sender, err = lane.NewSender(lane.SenderConfig{
		Worker: start.Worker.ID,
		Epoch:  w.peer.Epoch(),
		Outs:   start.Send,
		Bells:  bells,
		Lost: func(to uint32, f reading.Frame) {
			w.Logf("alert of %s (%g) was given up: worker %d did not confirm it", w.all[f.Sensor].Name, f.Value, to)
		},
	})
	return fail("start", "", err)
}

// bells waits until every bell that START names is granted, and pins them: the
// lanes hold these very files. Devices are not waited for; they may be missing.
func (w *Worker) bells() (map[string]*os.File, error) {
	bells := map[string]*os.File{}
	for _, out := range w.start.Send {
		if out.Bell != "" {
			bells[out.Bell] = nil
		}
	}
	if len(w.start.Receive) > 0 && w.start.Bell != "" {
		bells[w.start.Bell] = nil
	}
	for name := range bells {
		g := w.grants.cell(name)
		if err := w.await(w.ctx, func() bool { bells[name] = g.pin(); return bells[name] != nil }); err != nil {
			return nil, fail("grant", name, err)
		}
	}
	return bells, nil
}
