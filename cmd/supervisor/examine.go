package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/hashicorp/go-hclog"

	"sallyport/internal/config"
)

// examine is `check --host`: it opens every device and listener, makes every
// lane, compiles every filter, in a namespace of its own, and lets go of them
// again. No worker is started, and a supervisor that runs is not disturbed.
func examine(o options, log hclog.Logger) error {
	s, err := newSupervisor(o, log)
	if err != nil {
		return err
	}
	err = errors.Join(s.open(), s.examineDirectories())
	st := s.now()
	devices, absent := 0, []string(nil)
	if st.inputs != nil {
		devices, absent = len(st.inputs.devices), st.inputs.degraded()
	}
	if err := errors.Join(err, s.close(context.Background())); err != nil {
		return err
	}
	fmt.Printf("%s: ok on this host: %d workers, %d devices open, %d absent, %d queues\n",
		o.file, len(st.workers), devices, len(absent), len(st.cfg.Queues))
	return nil
}

// examineDirectories only looks: to open a day file is to make it.
func (s *supervisor) examineDirectories() error {
	var faults []error
	for _, d := range s.now().cfg.Directories {
		if err := isDirectory(d); err != nil {
			faults = append(faults, fmt.Errorf("directory %q (%s): %w", d.Name, d.Pos, err))
		}
	}
	return errors.Join(faults...)
}

func isDirectory(d config.Directory) error {
	info, err := os.Stat(d.Path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no directory", d.Path)
	}
	return nil
}
