package main

import (
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"sallyport/internal/fault"
	"sallyport/internal/launch/stage"
)

// images are what a worker's process executes first, what that executes in its
// turn, and the arguments of the first.
func (w *worker) images() (exe, program *os.File, args []string) {
	if w.cfg.Protocol == 0 {
		return w.s.stage, w.exe, append([]string{"worker", "launcher"}, w.cfg.Command...)
	}
	return w.exe, nil, w.cfg.Command
}

// environment is all a worker gets. GOMAXPROCS keeps the Go runtime from
// reading its cgroup every second; GOMEMLIMIT makes it collect before the data
// limit ends it. What a launcher adds of its own is sd_listen_fds(3).
func (w *worker) environment() []string {
	env := []string{"SALLYPORT_CHANNEL=3", "GOMAXPROCS=" + strconv.Itoa(min(2, runtime.NumCPU()))}
	if memory := w.cfg.Limits.Memory; memory > 0 {
		env = append(env, fmt.Sprintf("GOMEMLIMIT=%dB", memory/5*4))
	}
	if w.cfg.Protocol == 0 {
		// No preemption signal may come between the launcher and its exec.
		env = append(env, "GODEBUG=asyncpreemptoff=1", "GOGC=off")
	}
	if w.cfg.Notify {
		env = append(env, "NOTIFY_SOCKET="+stage.Notify)
		if beat := w.cfg.Heartbeat; beat > 0 {
			env = append(env, fmt.Sprintf("WATCHDOG_USEC=%d", beat.Microseconds()))
		}
	}
	return append(env, fault.Heir(w.cfg.Name)...)
}

// root names what the proof may find in the worker's root: the first element of
// each path, those that symbolic links lead to included.
func (w *worker) root() []string {
	var names []string
	if w.cfg.Notify {
		names = append(names, strings.TrimPrefix(stage.Notify, "/"))
	}
	for _, p := range w.cfg.ReadOnly {
		names = append(names, tops(p, 0)...)
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// tops follows a path as the stage does.
func tops(name string, links int) []string {
	const maxLinks = 16
	parts := strings.Split(strings.Trim(name, "/"), "/")
	names := []string{parts[0]}
	for i := range parts {
		at := "/" + strings.Join(parts[:i+1], "/")
		target, err := os.Readlink(at)
		if err != nil || links == maxLinks {
			continue // no link; a loop ends the launch
		}
		if !strings.HasPrefix(target, "/") {
			target = path.Join(path.Dir(at), target)
		}
		return append(names, tops(path.Join(append([]string{target}, parts[i+1:]...)...), links+1)...)
	}
	return names
}
