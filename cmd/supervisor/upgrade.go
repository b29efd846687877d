package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
)

// upgradeOrder is what a client wants of the conductor.
type upgradeOrder struct {
	binary  *os.File // judged, and the very file that will be executed
	request control.Request
	result  chan error
}

// upgradeItem is the item of the answer to `upgrade`, sent by the new program.
type upgradeItem struct {
	From    string  `json:"from"`
	To      string  `json:"to"`
	Workers int     `json:"workers"` // that ran on
	MS      float64 `json:"ms"`      // in which nobody was answered
}

// upgradeVerb answers upgrade. When all goes well it never returns: this program
// is no more, and the next one answers.
func (s *supervisor) upgradeVerb(ctx context.Context, r control.Request, _ func(any) error) error {
	var o struct {
		Binary string `json:"binary"`
	}
	if err := decodeArgs(r, &o, `{"binary":"/usr/lib/sallyport/supervisor"}`); err != nil {
		return err
	}
	if o.Binary == "" {
		var err error
		if o.Binary, err = os.Executable(); err != nil { // what has the name now, if it was replaced
			return err
		}
		o.Binary = strings.TrimSuffix(o.Binary, " (deleted)")
	}
	if s.options.learn != "" {
		return &control.Fault{Code: "SP0442", What: "not upgraded", Why: "the calls of a worker are being recorded", Fix: "end `sallyport policy learn` first"}
	}
	binary, err := config.Binary(o.Binary, s.owners...)
	if err != nil {
		return &control.Fault{Code: "SP0441", What: "the new program is refused", Where: o.Binary, Why: err.Error(), Fix: "name a supervisor that only root can write"}
	}
	defer binary.Close()
	// With nothing halted: whatever is wrong with it shows here.
	outline, err := s.outline()
	if err == nil {
		err = s.ask(binary, outline)
	}
	if err != nil {
		return cannot(o.Binary, err)
	}
	order := upgradeOrder{binary: binary, request: r, result: make(chan error, 1)}
	select {
	case s.upgrades <- order:
	case <-s.stopping:
		return &control.Fault{Code: "SP0442", What: "the supervisor is stopping"}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	// Not ctx, which the halt of the clients ends.
	if err := <-order.result; err != nil {
		return cannot(o.Binary, err)
	}
	return errors.New("no answer") // cannot happen: replace returns only an error
}

func cannot(binary string, why error) error {
	return &control.Fault{Code: "SP0442", What: "not upgraded; the program before goes on", Where: binary, Why: why.Error(),
		Fix: "mend that and try again; nothing was lost"}
}

// replace is the conductor's part of an upgrade. It returns only an error, and
// then everything goes on as before.
func (s *supervisor) replace(order upgradeOrder) error {
	if !s.reloads.TryLock() {
		return errors.New("a reload is under way")
	}
	defer s.reloads.Unlock()
	began := time.Now()
	s.hub.Publish(control.Upgrading{From: version})
	f, err := s.freeze(context.Background(), order)
	if err != nil {
		return err
	}
	err = s.succeed(f, order)
	s.thaw(f)
	s.log.Error("not upgraded", "why", err, "halted", time.Since(began))
	s.hub.Publish(control.UpgradeFailed{Why: err.Error()})
	return err
}

// succeed leaves everything to the new program, and returns only an error.
func (s *supervisor) succeed(f *frozen, order upgradeOrder) error {
	e, err := s.export(f, order)
	if err != nil {
		return err
	}
	// The very text that it will find, and sealed.
	if err := s.ask(order.binary, e); err != nil {
		return err
	}
	sealed, err := e.seal()
	if err != nil {
		return err
	}
	defer sealed.Close()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("the own program, to come back to: %w", err)
	}
	defer self.Close()
	if len(s.signals) > 0 {
		return errors.New("a signal came that ends the supervisor")
	}
	s.log.Info("leaving everything to a new program", "workers", len(e.Workers), "descriptors", len(e.Keep))
	exec := &execution{program: order.binary, estate: sealed, before: self, keep: e.Keep}
	if err := s.thread.Do(context.Background(), func() { exec.err = exec.run("") }); err != nil {
		return err
	}
	return exec.err
}
