package main

import (
	"errors"
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"

	"sallyport/internal/config"
	"sallyport/internal/socket"
	"sallyport/pkg/scmrights"
)

// listeners are the sockets that the supervisor listens on for its workers,
// over all their lives.
type listeners struct {
	files map[string]*os.File
	made  []config.Socket // by us, and not by a service manager
}

// openListeners makes those that a worker is to have. One that a service manager
// made is taken as it is: it is there before us and after us.
func openListeners(cfg *config.Config, inherited socket.Inherited, log hclog.Logger) (listeners, error) {
	ls := listeners{files: make(map[string]*os.File)}
	var faults []error
	for _, w := range cfg.Workers {
		for _, name := range w.Sockets {
			conf, _ := cfg.Socket(name)
			if !conf.Listen {
				continue // dialled for every process
			}
			f, err := inherited.Take(conf)
			if f == nil && err == nil {
				if f = inherited.Recover(storedSocket+name, conf, w.Protocol < 2); f == nil {
					f, err = socket.Open(conf, w.Protocol < 2)
				}
				if err == nil {
					ls.made = append(ls.made, conf)
				}
			}
			if err != nil {
				faults = append(faults, err)
				continue
			}
			ls.files[name] = f
		}
	}
	for name, f := range inherited {
		if strings.HasPrefix(name, storedDevice) || strings.HasPrefix(name, storedSocket) {
			continue // the store's, which has to be told
		}
		log.Warn("a socket of the service manager is of no use: no worker has one of that name", "socket", name)
		delete(inherited, name)
		faults = append(faults, f.Close())
	}
	return ls, errors.Join(faults...)
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
	item = scmrights.Item{Name: conf.Name, Kind: socket.Kind(conf), Mode: scmrights.ModeShare, Access: scmrights.AccessBoth, File: in.listeners.files[conf.Name]}
	if !conf.Listen {
		item.Mode = scmrights.ModeMove
		item.File, err = socket.Open(conf, blocking)
	}
	return item, !conf.Listen, err
}
