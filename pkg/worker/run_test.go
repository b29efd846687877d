package worker_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/lane"
	"sallyport/internal/testenv"
	"sallyport/internal/workertest"
	"sallyport/pkg/scmrights"
	"sallyport/pkg/worker"
)

// warm makes the descriptors that the runtime opens once and keeps.
func warm(t *testing.T) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.SetReadDeadline(time.Now())
	_, _ = r.Read(make([]byte, 1))
	r.Close()
	w.Close()
}

func TestRunGivesWhatWasGranted(t *testing.T) {
	warm(t)
	testenv.CheckFDs(t)
	type seen struct {
		name, every, missing string
		epoch                uint32
		wait, fallback       time.Duration
		attrs                []string
		value                float64
		lamp                 error
	}
	var got seen
	s := beginIn(t.Context(), t, 3, func(ctx context.Context, w *worker.Worker) error {
		got.name, got.epoch = w.Name(), w.Epoch()
		got.every, got.missing = w.Setting("every"), w.Setting("missing")
		got.wait, got.fallback = w.Duration("every", time.Hour), w.Duration("missing", time.Hour)
		for _, a := range w.Attrs() {
			got.attrs = append(got.attrs, a.Name()+" "+a.Unit())
		}
		a, err := w.Attr("temp")
		if err != nil {
			return err
		}
		if got.value, err = a.Read(); err != nil {
			return err
		}
		f, err := w.File("lamp")
		if err != nil {
			return err
		}
		_, got.lamp = f.WriteAt([]byte("1"), 0)
		return nil
	})
	s.Grant("cpu", scmrights.KindMemfd, workertest.Memfd(t, "48312\n"))
	lamp := workertest.Memfd(t, "0")
	s.Grant("lamp", scmrights.KindMemfd, lamp)
	s.Start(lane.Start{Settings: map[string]string{"every": "250ms"}, Sensors: []lane.Sensor{workertest.Sensor(1, "zone", "cpu", "raw"), workertest.Sensor(2, "temp", "cpu", "milli")}})
	s.Expect(lane.MsgDone)
	if err := s.End(); err != nil {
		t.Fatal(err)
	}
	if got.name != "plugin" || got.epoch != 3 || got.every != "250ms" || got.missing != "" {
		t.Errorf("%+v", got)
	}
	if got.wait != 250*time.Millisecond || got.fallback != time.Hour {
		t.Errorf("durations %v and %v", got.wait, got.fallback)
	}
	if strings.Join(got.attrs, ",") != "temp C,zone C" || got.value != 48.312 {
		t.Errorf("attributes %q, value %v", got.attrs, got.value)
	}
	level := make([]byte, 1)
	if _, err := lamp.ReadAt(level, 0); err != nil || level[0] != '1' || got.lamp != nil {
		t.Errorf("lamp is %q, %v, %v", level, err, got.lamp)
	}
	s.Conn.Close()
}

// A plugin must not send before the supervisor has opened its lanes.
func TestReadyWaitsForAcknowledgement(t *testing.T) {
	passed := make(chan struct{})
	s := begin(t, func(ctx context.Context, w *worker.Worker) error {
		err := w.Ready()
		close(passed)
		<-ctx.Done()
		return err
	})
	s.Start(lane.Start{})
	s.Expect(lane.MsgReady)
	// A record that acknowledges nothing is not it.
	s.Send(99, nil)
	select {
	case <-passed:
		t.Fatal("Ready returned before the acknowledgement")
	case <-time.After(50 * time.Millisecond):
	}
	if err := s.Conn.Ping(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-passed:
	case <-time.After(workertest.Patience):
		t.Fatal("Ready did not return after the acknowledgement")
	}
	s.Stop()
	if err := s.End(); err != nil {
		t.Error(err)
	}
}

func TestRunEnds(t *testing.T) {
	boom := errors.New("boom")
	for name, tc := range map[string]struct {
		plugin plugin
		stop   bool
		done   bool
		want   error
	}{
		"finished":             {func(ctx context.Context, w *worker.Worker) error { return nil }, false, true, nil},
		"failed":               {func(ctx context.Context, w *worker.Worker) error { return boom }, false, false, boom},
		"stopped":              {func(ctx context.Context, w *worker.Worker) error { <-ctx.Done(); return nil }, true, false, nil},
		"stopped, tells why":   {func(ctx context.Context, w *worker.Worker) error { <-ctx.Done(); return ctx.Err() }, true, false, nil},
		"stopped, but failed":  {func(ctx context.Context, w *worker.Worker) error { <-ctx.Done(); return boom }, true, false, boom},
		"stopped before ready": {func(ctx context.Context, w *worker.Worker) error { return w.Ready() }, true, false, nil},
		"stopped in every": {func(ctx context.Context, w *worker.Worker) error {
			return w.Every(ctx, time.Hour, func() error { return nil })
		}, true, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			// A STOP right behind START may end the worker before its plugin ran.
			runs := make(chan struct{})
			s := begin(t, func(ctx context.Context, w *worker.Worker) error {
				close(runs)
				return tc.plugin(ctx, w)
			})
			s.Start(lane.Start{})
			<-runs
			if tc.stop {
				s.Stop()
			}
			if err := s.End(); !errors.Is(err, tc.want) {
				t.Errorf("ended with %v, want %v", err, tc.want)
			}
			done := false
			for m := range s.Heard {
				done = done || m.Kind == lane.MsgDone
			}
			if done != tc.done {
				t.Errorf("DONE said: %v, want %v", done, tc.done)
			}
		})
	}
}

func TestRunEndsWithTheChannel(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	s := begin(t, func(ctx context.Context, w *worker.Worker) error { <-hang; return nil })
	s.Start(lane.Start{})
	s.Conn.Close()
	if err := s.End(); !errors.Is(err, worker.ErrParentGone) {
		t.Errorf("ended with %v", err)
	}
}

// SIGTERM ends the context that Run is called with.
func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := beginIn(ctx, t, 1, func(ctx context.Context, w *worker.Worker) error {
		return w.Every(ctx, time.Hour, func() error { return nil })
	})
	s.Start(lane.Start{})
	s.Ready()
	cancel()
	if err := s.End(); err != nil {
		t.Error(err)
	}
}

func TestRunRefusesStart(t *testing.T) {
	idle := func(ctx context.Context, w *worker.Worker) error { <-ctx.Done(); return nil }
	good, err := (&lane.Start{Worker: lane.StartWorker{ID: 1, Name: "plugin"}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := (&lane.Start{Worker: lane.StartWorker{ID: 1, Name: "plugin"}, Sensors: []lane.Sensor{workertest.Sensor(1, "temp", "temp", "psalm")}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		bodies [][]byte
		want   string
	}{
		"rubbish": {[][]byte{[]byte("{}")}, "missing"},
		"decode":  {[][]byte{wrong}, `"temp"`},
		"twice":   {[][]byte{good, good}, "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, idle)
			for _, b := range tc.bodies {
				_ = s.Conn.Send(lane.MsgStart, b) // the worker may be gone by the last one
			}
			if err := s.End(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("ended with %v, want %q", err, tc.want)
			}
		})
	}
}

func TestReadyReportsSettings(t *testing.T) {
	s := begin(t, func(ctx context.Context, w *worker.Worker) error {
		return w.Every(ctx, w.Duration("every", time.Second), func() error { return nil })
	})
	s.Start(lane.Start{Settings: map[string]string{"every": "10 s"}})
	if err := s.End(); err == nil || !strings.Contains(err.Error(), `setting "every": "10 s"`) {
		t.Errorf("ended with %v", err)
	}
	s = begin(t, func(ctx context.Context, w *worker.Worker) error {
		return w.Every(ctx, w.Duration("every", time.Second), func() error { return io.EOF })
	})
	s.Start(lane.Start{Settings: map[string]string{"evry": "10s"}})
	s.Ready()
	if err := s.End(); !errors.Is(err, io.EOF) {
		t.Errorf("ended with %v", err)
	}
	if log := strings.Join(s.lines(), "\n"); !strings.Contains(log, "evry") {
		t.Errorf("the log does not name the unknown setting: %q", log)
	}
}

func TestAliveIsSaid(t *testing.T) {
	s := begin(t, func(ctx context.Context, w *worker.Worker) error {
		return w.Every(ctx, time.Hour, func() error { return nil })
	})
	s.Start(lane.Start{})
	if m := <-s.Heard; m.Kind != lane.MsgReady {
		t.Errorf("message of kind %d before READY", m.Kind)
	}
	if err := s.Conn.Ping(); err != nil {
		t.Fatal(err)
	}
	s.Expect(lane.MsgAlive)
	s.Stop()
	if err := s.End(); err != nil {
		t.Error(err)
	}
}

func TestHardenMakesUndumpable(t *testing.T) {
	if !testenv.InSubprocess(t, nil) {
		return
	}
	if err := worker.Harden(); err != nil {
		t.Fatal(err)
	}
	if v, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || v != 0 {
		t.Errorf("dumpable is %d, %v", v, err)
	}
	// SIGPIPE on standard output would end a Go program that does not ignore it.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	saved, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 100)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(int(w.Fd()), 1, 0); err != nil {
		t.Fatal(err)
	}
	_, err = os.Stdout.WriteString("x")
	if e := unix.Dup3(saved, 1, 0); e != nil {
		t.Fatal(e)
	}
	if !errors.Is(err, unix.EPIPE) {
		t.Errorf("write to a pipe without a reader: %v", err)
	}
}
