package main

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/socket"
	"sallyport/pkg/scmrights"
)

// listeners are the sockets that the supervisor listens on for its workers,
// over all their lives.
type listeners struct {
	files map[string]*os.File
	at    map[string]config.Socket // where each listens
	made  []config.Socket          // by us, and not by a service manager
}

// source is where listeners come from before any is made.
type source struct {
	inherited socket.Inherited
	known     *listeners // of the setup before, or nil
	mayBeBusy bool       // for a look only: a supervisor that runs has them
}

// openListeners makes those that a worker is to have. One that a service manager
// made is taken as it is: it is there before us and after us.
func openListeners(cfg *config.Config, from source, log hclog.Logger) (listeners, error) {
	ls := listeners{files: make(map[string]*os.File), at: make(map[string]config.Socket)}
	var faults []error
	for _, w := range cfg.Workers {
		for _, name := range w.Sockets {
			conf, _ := cfg.Socket(name)
			if !conf.Listen {
				continue // dialled for every process
			}
			if from.known != nil && from.known.lend(conf, &ls) {
				continue
			}
			f, err := from.inherited.Take(conf)
			if f == nil && err == nil {
				if f = from.inherited.Recover(storedSocket+name, conf, w.Protocol < 2); f == nil {
					f, err = socket.Open(conf, w.Protocol < 2)
				}
				if err == nil {
					ls.made = append(ls.made, conf)
				}
			}
			if from.mayBeBusy && errors.Is(err, unix.EADDRINUSE) {
				log.Warn("in use by now: by a supervisor that runs?", "socket", name, "error", err)
				continue
			}
			if err != nil {
				faults = append(faults, err)
				continue
			}
			ls.files[name], ls.at[name] = f, conf
		}
	}
	for name, f := range from.inherited {
		if strings.HasPrefix(name, storedDevice) || strings.HasPrefix(name, storedSocket) {
			continue // the store's, which has to be told
		}
		log.Warn("a socket of the service manager is of no use: no worker has one of that name", "socket", name)
		delete(from.inherited, name)
		faults = append(faults, f.Close())
	}
	return ls, errors.Join(faults...)
}

// lend gives next the listener of the same place, whatever its name is now.
func (ls *listeners) lend(conf config.Socket, next *listeners) bool {
	for name, at := range ls.at {
		if at.Network == conf.Network && at.Address == conf.Address && at.Mode == conf.Mode {
			next.files[conf.Name], next.at[conf.Name] = ls.files[name], conf
			if ls.isMade(at) {
				next.made = append(next.made, conf)
			}
			return true
		}
	}
	return false
}

func (ls *listeners) isMade(at config.Socket) bool { return slices.ContainsFunc(ls.made, at.SamePlace) }

// leave closes the listeners that to does not have.
func (ls *listeners) leave(to *listeners) error {
	var errs []error
	for name, f := range ls.files {
		kept := false
		for _, other := range to.files {
			kept = kept || other == f
		}
		if kept {
			continue
		}
		errs = append(errs, f.Close())
		if at := ls.at[name]; ls.isMade(at) {
			socket.Remove(at)
		}
	}
	return errors.Join(errs...)
}

func (ls *listeners) Close() error {
	var errs []error
	for _, f := range ls.files {
		errs = append(errs, f.Close())
	}
	for _, conf := range ls.made {
		socket.Remove(conf)
	}
	return errors.Join(errs...)
}

// sockets gives what a worker is granted of them; the caller closes owned.
func (in *inputs) sockets(w *config.Worker) (items []scmrights.Item, owned []*os.File, err error) {
	for _, name := range w.Sockets {
		conf, _ := in.cfg.Socket(name)
		item, own, err := in.socket(conf, w.Protocol < 2)
		if err != nil {
			return items, owned, err
		}
		if own {
			owned = append(owned, item.File)
		}
		items = append(items, item)
	}
	return items, owned, nil
}

// socket shares a listener, so that the successor serves whoever waits; a
// connection is made now, and is the worker's alone.
func (in *inputs) socket(conf config.Socket, blocking bool) (item scmrights.Item, owned bool, err error) {
	item = scmrights.Item{Name: conf.Name, Kind: socket.Kind(conf), Mode: modes[conf.Handover], Access: scmrights.AccessBoth, File: in.listeners.files[conf.Name]}
	if !conf.Listen {
		item.File, err = socket.Open(conf, blocking)
	}
	return item, !conf.Listen, err
}
