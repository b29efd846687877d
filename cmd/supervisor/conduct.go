package main

import (
	"context"
	"errors"
	"time"

	"sallyport/internal/bus"
	"sallyport/internal/fault"
)

const (
	drainTime = 300 * time.Millisecond // for receivers to take what is queued; those that batch do so at STOP
	endTime   = 6 * time.Second        // for every worker to be reaped; each is killed after its own grace
)

// conduct starts the workers, waits for the end, and stops in order.
func (s *supervisor) conduct() error {
	feed, stopFeed := context.WithCancel(context.Background())
	go func() { defer close(s.fed); s.feed(feed) }()
	st := s.now()
	for _, w := range st.workers {
		if s.estate == nil {
			s.begin(st, w)
		} else {
			s.goOnWaiting(st, w)
		}
	}
	if s.estate != nil {
		s.announceSuccession()
	}
	s.tell(s.service.manager.Ready(s.statusLine()))
	s.untilStop()
	s.tell(s.service.manager.Stopping())
	s.beginStop()
	s.reloads.Lock() // one that is under way comes to its end; none begins any more
	defer s.reloads.Unlock()
	s.turns.Wait()
	s.stopWorkers()
	stopFeed()
	<-s.fed
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	return s.close(ctx)
}

// untilStop does what signals ask for, until one asks for the end.
func (s *supervisor) untilStop() {
	beats, stop := s.beats()
	defer stop()
	for {
		select {
		case got := <-s.signals:
			s.log.Info("stopping in order", "signal", got.String())
			return
		case <-s.stopping:
			return
		case <-s.service.changed:
			s.tell(s.service.manager.Status(s.statusLine()))
		case <-beats:
			s.beat()
		case order := <-s.upgrades:
			order.result <- s.replace(order)
		case <-s.hangups:
			// Beside the conductor, which must go on hearing SIGTERM.
			go func() {
				if err := s.reload(false, func(any) error { return nil }); err != nil {
					s.log.Error("reload refused; the old configuration stays in force", "why", err)
				}
			}()
		}
	}
}

// beginStop makes conduct go on to the ordered stop.
func (s *supervisor) beginStop() { s.stopOnce.Do(func() { close(s.stopping) }) }

// stopWorkers revokes every right to send, lets the receivers take what is
// queued, asks every worker to stop, and waits until all are reaped.
func (s *supervisor) stopWorkers() {
	st := s.now()
	for _, w := range st.workers {
		if err := st.bus.Revoke(w.cfg.ID); err != nil {
			s.log.Error("revoke at the stop", "worker", w.cfg.Name, "error", err)
		}
	}
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	if err := st.bus.Drain(drain); err != nil {
		s.log.Debug("not everything was taken before STOP", "why", err)
	}
	cancel()
	s.retire(st.workers)
}

// retire asks workers to stop and waits until their processes are reaped.
func (s *supervisor) retire(workers []*worker) {
	for _, w := range workers {
		w.retire()
	}
	late := time.After(endTime)
	for _, w := range workers {
		select {
		case <-w.ended:
		case <-late:
			s.log.Error("a worker was not reaped in time", "worker", w.cfg.Name)
		}
	}
}

// close releases all that open made, counts what the kernel still shows, and
// publishes the summary. It is also the way out of an open that failed.
func (s *supervisor) close(ctx context.Context) error {
	defer close(s.stopped)
	var errs []error
	keep := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if s.launcher != nil {
		keep(s.launcher.Close())
	}
	if s.cgroups != nil {
		keep(s.cgroups.Close())
	}
	if s.stage != nil {
		keep(s.stage.Close())
	}
	st := s.now()
	if st.bus != nil && !fault.On("leak-queue") {
		keep(st.bus.Close())
	}
	if st.inputs != nil && !fault.On("leak-fd") {
		keep(st.inputs.Close())
	}
	for _, w := range st.workers {
		keep(w.exe.Close())
	}
	keep(s.writeLearned())
	s.logs.readers.Wait()
	s.publishSummary()
	return errors.Join(errs...)
}

func (s *supervisor) publishSummary() {
	if s.server == nil {
		return // it never ran
	}
	sum := s.tally.summary()
	var err error
	if st := s.now(); st.cfg.Supervisor.HostIPC {
		sum.LeakedQueues = st.bus.Left() // the others there are not ours
	} else if sum.LeakedQueues, err = bus.Rows(); err != nil {
		s.log.Error("count the queues that are left", "error", err)
		sum.LeakedQueues = -1
	}
	left, err := s.leaked()
	if err != nil {
		s.log.Error("count the descriptors that are left", "error", err)
		left = []string{"unknown"}
	}
	for _, name := range left {
		s.log.Error("descriptor left open", "descriptor", name)
	}
	sum.LeakedFDs = len(left)
	s.log.Info("stopped", "readings", sum.Readings, "alerts", sum.Alerts, "lost", sum.Lost,
		"leaked_fds", sum.LeakedFDs, "leaked_queues", sum.LeakedQueues)
	s.hub.Publish(sum)
}
