package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"sallyport/internal/monitor"
	"sallyport/internal/systemd"
)

// Names in the service manager's store: what a configuration calls a grant or a
// socket, behind one of these. A colon could not stand in LISTEN_FDNAMES.
const (
	storedDevice = "device."
	storedSocket = "socket."
)

// service is the supervisor as the service manager sees it.
type service struct {
	manager *systemd.Manager
	changed chan struct{} // holds a token when a worker's state has changed
	round   uint64        // of the watchdog
}

// tell is for words whose loss changes nothing here; the error is for the log.
func (s *supervisor) tell(err error) {
	if err != nil {
		s.log.Warn("the service manager was not told", "why", err)
	}
}

// stateChanged makes the conductor tell the manager; it never waits.
func (s *supervisor) stateChanged() {
	select {
	case s.service.changed <- struct{}{}:
	default:
	}
}

// statusLine says in one line how the workers are.
func (s *supervisor) statusLine() string {
	ready, other := 0, []string{}
	for _, w := range s.now().workers {
		if st := w.status(); st.State == monitor.Ready.String() {
			ready++
		} else {
			other = append(other, st.Worker+" is "+st.State)
		}
	}
	line := fmt.Sprintf("%d of %d workers ready", ready, len(s.now().workers))
	if len(other) > 0 {
		line += "; " + strings.Join(other, ", ")
	}
	return line
}

// beats is when the conductor is to look after the watchdog: three times within
// the silence that the manager bears; never without a watchdog.
func (s *supervisor) beats() (ticks <-chan time.Time, stop func()) {
	limit := s.service.manager.Watchdog()
	if limit == 0 {
		return nil, func() {}
	}
	t := time.NewTicker(limit / 3)
	return t.C, t.Stop
}

// beat gives the watchdog its sign of life if the loop of every worker has
// turned since the last time, and asks them to turn once more. It runs in the
// conductor, so that a conductor that hangs gives none either.
func (s *supervisor) beat() {
	turned := true
	for _, w := range s.now().workers {
		if w.turned.Load() != w.asked {
			turned = false
			s.log.Error("the loop of a worker does not turn: no sign of life for the watchdog", "worker", w.cfg.Name)
		}
	}
	if turned {
		s.tell(s.service.manager.Beat())
	}
	s.service.round++
	for _, w := range s.now().workers {
		w.asked = s.service.round
		select {
		case w.inbox <- note{turn: w.asked}:
		default: // full: then it does not turn, or turns too slowly
		}
	}
}

// stored takes what the manager's store gave back of one kind, by the names of
// the configuration.
func (o options) stored(prefix string) func(name string) *os.File {
	return func(name string) *os.File {
		f := o.inherited[prefix+name]
		delete(o.inherited, prefix+name)
		return f
	}
}

// forget closes what the store gave back and the configuration has no use for,
// and takes it out of the store.
func (s *supervisor) forget() {
	for name, f := range s.options.inherited {
		if !strings.HasPrefix(name, storedDevice) && !strings.HasPrefix(name, storedSocket) {
			continue
		}
		delete(s.options.inherited, name)
		s.log.Warn("the service manager kept what nobody wants any more", "name", name)
		s.tell(f.Close())
		s.tell(s.service.manager.Drop(name))
	}
}

// store puts an open device or listener into the manager's store, in the place
// of an earlier one of that name, for the supervisor after a crash.
func (in *inputs) store(name string, f *os.File) {
	err := in.manager.Drop(name)
	if err == nil {
		err = in.manager.Keep(name, f)
	}
	if err != nil {
		in.log.Warn("not in the service manager's store", "name", name, "why", err)
	}
}

// kept are the descriptors for the store by their names there: every device but
// the simulated ones, which begin anew, and those that a worker has alone; and the
// listeners that we made: one that a socket unit made is the manager's anyway.
func (in *inputs) kept() map[string]*os.File {
	files := make(map[string]*os.File)
	if in == nil {
		return files
	}
	for _, conf := range in.cfg.Devices {
		if d := in.device(conf.Name); d != nil && conf.Kind != "sim" && !alone(conf.Handover) {
			for _, o := range d.Opened() {
				files[storedDevice+o.Name] = o.File
			}
		}
	}
	for _, conf := range in.listeners.made {
		files[storedSocket+conf.Name] = in.listeners.files[conf.Name]
	}
	return files
}

// storeSince stores what the inputs before these did not have, and takes out of
// the store what only they had.
func (in *inputs) storeSince(before *inputs) {
	now, then := in.kept(), before.kept()
	for name, f := range now {
		if then[name] != f {
			in.store(name, f)
		}
	}
	for name := range then {
		if now[name] == nil {
			if err := in.manager.Drop(name); err != nil {
				in.log.Warn("still in the service manager's store", "name", name, "why", err)
			}
		}
	}
}
