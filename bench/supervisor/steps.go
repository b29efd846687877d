package main

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	"sallyport/internal/control"
	"sallyport/tests/results"
)

const late = 60 * time.Second // for anything that is waited for

// regrant kills one worker again and again. The time is the supervisor's own: from
// the end of the process to the receipt of the last descriptor by its successor,
// with a restart delay of 1 ms, which is as good as none.
func regrant(ctx context.Context, bin string, kills int, r *results.Run) error {
	s, err := start(bin, 2, "10ms")
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.ready(ctx, 2); err != nil {
		return err
	}
	var took, handover []float64
	next := s.events(ctx)
	for range kills {
		pid, err := s.pid(ctx, "w0")
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return err
		}
		e, err := await(next, func(e control.Event) bool { g, is := e.(control.Regranted); return is && g.Worker == "w0" })
		if err != nil {
			return fmt.Errorf("after a kill: %w", err)
		}
		g := e.(control.Regranted)
		took, handover = append(took, g.MS), append(handover, g.HandoverMS)
	}
	slices.Sort(took)
	slices.Sort(handover)
	r.Add("regrant kills", kills)
	r.Add("regrant ms median", took[kills/2])
	r.Add("regrant ms p95", took[kills*95/100])
	r.Add("regrant ms longest", took[kills-1])
	r.Add("hand-over ms median", handover[kills/2])
	return nil
}

// storm kills all workers at once and waits until every one has a successor that
// is ready.
func storm(ctx context.Context, bin string, workers int, r *results.Run) error {
	s, err := start(bin, workers, "1s")
	if err != nil {
		return err
	}
	defer s.stop()
	began := time.Now()
	if err := s.ready(ctx, workers); err != nil {
		return err
	}
	r.Add("workers", workers)
	r.Add("first start s", fmt.Sprintf("%.2f", time.Since(began).Seconds()))
	all, err := s.workers(ctx)
	if err != nil {
		return err
	}
	began = time.Now()
	for _, w := range all {
		if err := syscall.Kill(w.PID, syscall.SIGKILL); err != nil {
			return err
		}
	}
	for {
		now, err := s.workers(ctx)
		if err != nil {
			return err
		}
		waiting := 0
		for i, w := range now {
			if w.State != "ready" || w.Epoch == all[i].Epoch {
				waiting++
			}
		}
		if waiting == 0 {
			break
		}
		if time.Since(began) > late {
			return fmt.Errorf("%d of %d workers are not ready after %v", waiting, workers, late)
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.Add("all killed, all ready again s", fmt.Sprintf("%.2f", time.Since(began).Seconds()))
	return nil
}

// footprint watches a supervisor whose ten workers have next to nothing to do.
func footprint(ctx context.Context, bin string, idle time.Duration, r *results.Run) error {
	s, err := start(bin, 10, "1h")
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.ready(ctx, 10); err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // the start's own work is over
	before, err := cpu(s.pidOf())
	if err != nil {
		return err
	}
	began := time.Now()
	time.Sleep(idle)
	after, err := cpu(s.pidOf())
	if err != nil {
		return err
	}
	kib, err := resident(s.pidOf())
	if err != nil {
		return err
	}
	r.Add("idle workers", 10)
	r.Add("idle cpu ms a second", fmt.Sprintf("%.2f", float64((after-before).Microseconds())/1000/time.Since(began).Seconds()))
	r.Add("idle resident MiB", fmt.Sprintf("%.1f", float64(kib)/1024))
	return nil
}
