package config

import (
	"path"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// build turns what was read into a Config. Where something was refused it leaves
// the fallback: the Config is used only when there was no problem.
func (r *reader) build(top *node) *Config {
	c := &Config{Path: r.file}
	r.buildSupervisor(top, c)
	for _, n := range top.all("device") {
		c.Devices = append(c.Devices, r.buildDevice(n))
	}
	for _, n := range top.all("directory") {
		c.Directories = append(c.Directories, Directory{
			Name: n.label, Path: get[string](n.t, "path", n), Mode: get[string](n.t, "mode", n), Pos: r.pos(n.rng)})
	}
	for _, n := range top.all("socket") {
		c.Sockets = append(c.Sockets, r.buildSocket(n))
	}
	for _, n := range top.all("queue") {
		c.Queues = append(c.Queues, r.buildQueue(n))
	}
	defaults := top.block("defaults")
	for i, n := range top.all("worker") {
		w := r.buildWorker(n, defaults)
		w.ID = uint32(i + 1)
		if get[bool](n.t, "enabled", n) {
			c.Workers = append(c.Workers, w)
		} else {
			c.Disabled = append(c.Disabled, w)
		}
	}
	return c
}

func (r *reader) pos(rng hcl.Range) Pos { return Pos{r.file, rng.Start.Line, rng.Start.Column} }

func (r *reader) buildSupervisor(top *node, c *Config) {
	n := top.block("supervisor")
	s := &c.Supervisor
	s.Name = get[string](supervisorBlock, "name", n)
	if s.Name == "" {
		s.Name = strings.TrimSuffix(strings.TrimSuffix(path.Base(r.file), ".json"), ".hcl")
		if textFault(name, s.Name) != "" {
			s.Name = "sallyport"
		}
	}
	ids := get[idRange](supervisorBlock, "ids", n)
	s.FirstID, s.LastID = ids.first, ids.last
	s.Control = get[string](supervisorBlock, "control", n)
	if s.Control == "" {
		s.Control = "/run/sallyport/" + s.Name + ".sock"
	}
	s.HostIPC = get[string](supervisorBlock, "ipc_namespace", n) == "host"
	s.Waive = texts(get[[]word](supervisorBlock, "waive", n))
}

func (r *reader) buildSocket(n *node) Socket {
	s := Socket{Name: n.label, Pos: r.pos(n.rng), Listen: n.has("listen")}
	if n.has("listen") == n.has("connect") && !r.broken {
		r.in(n, n.rng, fault{"a socket has either listen or connect", "", `as in: listen = "tcp://127.0.0.1:9130"`})
	}
	a := get[address](n.t, "connect", n)
	if s.Listen {
		a = get[address](n.t, "listen", n)
	}
	s.Handover = r.buildHandover(n, s.Listen)
	s.Network, s.Address, s.Mode = a.network, a.address, get[uint32](n.t, "mode", n)
	if n.has("mode") && !(s.Listen && s.Network == "unix") && s.Network != "" {
		r.in(n, n.at("mode"), fault{"mode is for unix sockets that are listened on", "others have no file", "remove mode"})
	}
	return s
}

func (r *reader) buildWorker(n, defaults *node) Worker {
	w := Worker{
		Name:        n.label,
		Command:     texts(get[[]word](n.t, "command", n)),
		Settings:    get[map[string]string](n.t, "settings", n),
		Devices:     texts(get[[]word](n.t, "devices", n)),
		Directories: texts(get[[]word](n.t, "directories", n)),
		Sockets:     texts(get[[]word](n.t, "sockets", n)),
		Policy:      get[string](n.t, "policy", n),
		OnConnect:   get[string](n.t, "start", n) == "on-connect",
		After:       texts(get[[]word](n.t, "after", n)),
		ReadyWithin: get[time.Duration](n.t, "ready_within", n, defaults),
		Heartbeat:   get[time.Duration](n.t, "heartbeat", n, defaults),
		Proof:       get[int](n.t, "proof", n, defaults),
		Compare:     get[int](n.t, "compare", n, defaults),
		Pos:         r.pos(n.rng),
		Protocol:    get[int](n.t, "protocol", n),
		Notify:      get[bool](n.t, "notify", n),
		StartGrace:  get[time.Duration](n.t, "start_grace", n),
		ReadOnly:    texts(get[[]word](n.t, "read_only", n)),
	}
	switch {
	case get[bool](n.t, "shim", n): // start_grace is the program's, heartbeat the other half's
	case w.Protocol == 2:
		w.StartGrace = 0
	case !(w.Notify && n.has("heartbeat")):
		w.Heartbeat = 0 // it lives as long as its process does
	}
	for _, q := range n.all("queue") {
		w.Queues = append(w.Queues, WorkerQueue{q.label, texts(get[[]word](q.t, "send", q)), texts(get[[]word](q.t, "receive", q))})
	}
	var restart, limits *node
	if defaults != nil {
		restart, limits = defaults.block("restart"), defaults.block("limits")
	}
	own := n.block("restart")
	w.Restart.When = get[string](restartBlock, "when", own, restart)
	b := get[backoff](restartBlock, "backoff", own, restart)
	w.Restart.BackoffMin, w.Restart.BackoffMax = b.least, b.most
	g := get[giveUp](restartBlock, "give_up", own, restart)
	w.Restart.GiveUp, w.Restart.GiveUpWithin = g.times, g.within
	own = n.block("limits")
	w.Limits.Memory = get[uint64](limitsBlock, "memory", own, limits)
	w.Limits.Tasks = uint32(get[int](limitsBlock, "tasks", own, limits))
	w.Limits.CPU = get[uint32](limitsBlock, "cpu", own, limits)
	w.Limits.OpenFiles = uint32(get[int](limitsBlock, "open_files", own, limits))
	return w
}
