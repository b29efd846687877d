package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
)

// writeMetrics prints the status and the lanes in the text format of Prometheus,
// version 0.0.4. It is made here, so that the privileged parent has no part in it.
func writeMetrics(c *cobra.Command, client control.Client, r statusReport) error {
	items, err := client.Ask(c.Context(), "queue", map[string]string{"do": "list"})
	if err != nil {
		return err
	}
	var lanes []laneMetrics
	for _, item := range items {
		var l laneMetrics
		if err := json.Unmarshal(item, &l); err != nil {
			return fmt.Errorf("queue list: %w", err)
		}
		lanes = append(lanes, l)
	}
	m := metrics{out: c.OutOrStdout()}
	m.supervisor(r)
	m.ofWorkers(r.workers)
	m.ofLanes(lanes)
	return m.err
}

type laneMetrics struct {
	Lane       string `json:"lane"`
	State      string `json:"state"`
	Messages   uint64 `json:"messages"`
	UsedBytes  uint64 `json:"used_bytes"`
	LimitBytes uint64 `json:"limit_bytes"`
}

// metrics writes families; the first error stays.
type metrics struct {
	out io.Writer
	err error
}

func (m *metrics) family(name, kind, help string) {
	m.print("# HELP sallyport_%[1]s %[3]s\n# TYPE sallyport_%[1]s %[2]s\n", name, kind, help)
}

// sample writes one line; labels are names and values in turn.
func (m *metrics) sample(name string, value float64, labels ...string) {
	text := ""
	for i := 0; i+1 < len(labels); i += 2 {
		text += fmt.Sprintf("%s=\"%s\",", labels[i], escape.Replace(labels[i+1]))
	}
	if text != "" {
		text = "{" + strings.TrimSuffix(text, ",") + "}"
	}
	m.print("sallyport_%s%s %s\n", name, text, strconv.FormatFloat(value, 'g', -1, 64))
}

var escape = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func (m *metrics) print(format string, args ...any) {
	if m.err == nil {
		_, m.err = fmt.Fprintf(m.out, format, args...)
	}
}

func (m *metrics) supervisor(r statusReport) {
	m.family("uptime_seconds", "gauge", "Time since the supervisor started.")
	m.sample("uptime_seconds", r.UptimeMS/1000, "supervisor", r.Supervisor)
	m.family("degraded", "gauge", "Optional devices that are missing.")
	m.sample("degraded", float64(len(r.Degraded)))
	m.family("not_enforced", "gauge", "Protections that this system does not have.")
	m.sample("not_enforced", float64(len(r.NotEnforced)))
	for _, name := range slices.Sorted(maps.Keys(r.Totals)) {
		m.family(name+"_total", "counter", totalHelp[name])
		m.sample(name+"_total", float64(r.Totals[name]))
	}
}

var totalHelp = map[string]string{
	"readings": "Readings that the supervisor's tap saw.", "alerts": "Alerts that were raised.", "lost": "Readings missing at a receiver and not dropped by the sender.",
	"in_flight_lost": "Readings in the hand of workers that were killed.", "dropped": "Readings dropped at full lanes.", "waited": "Readings that waited for room in a lane.",
	"blocked": "Calls outside a profile.", "regranted": "Times a successor was granted everything again.",
}

func (m *metrics) ofWorkers(workers []workerRow) {
	for _, f := range []struct {
		name, kind, help string
		value            func(workerRow) float64
	}{
		{"worker_ready", "gauge", "1 for a worker that is ready.", func(w workerRow) float64 {
			if w.State == "ready" {
				return 1
			}
			return 0
		}},
		{"worker_restarts_total", "counter", "Launches by the restart rules since the last start by hand.", func(w workerRow) float64 { return float64(w.Restarts) }},
		{"worker_uptime_seconds", "gauge", "Time since the launch of the process there is.", func(w workerRow) float64 { return w.UptimeMS / 1000 }},
		{"worker_proof_level", "gauge", "Level of its proof of confinement.", func(w workerRow) float64 { return float64(w.ProofLevel) }},
		{"worker_grants", "gauge", "Descriptors that it holds by a receipt.", func(w workerRow) float64 { return float64(len(w.Grants)) }},
	} {
		m.family(f.name, f.kind, f.help)
		for _, w := range workers {
			m.sample(f.name, f.value(w), "worker", w.Worker)
		}
	}
	m.family("worker_state", "gauge", "1 for the state that a worker is in.")
	for _, w := range workers {
		m.sample("worker_state", 1, "worker", w.Worker, "state", w.State)
	}
}

func (m *metrics) ofLanes(lanes []laneMetrics) {
	for _, f := range []struct {
		name, help string
		value      func(laneMetrics) uint64
	}{
		{"lane_messages", "Messages queued in a lane.", func(l laneMetrics) uint64 { return l.Messages }},
		{"lane_used_bytes", "Bytes queued in a lane.", func(l laneMetrics) uint64 { return l.UsedBytes }},
		{"lane_limit_bytes", "Bytes that a lane takes.", func(l laneMetrics) uint64 { return l.LimitBytes }},
	} {
		m.family(f.name, "gauge", f.help)
		for _, l := range lanes {
			m.sample(f.name, float64(f.value(l)), "lane", l.Lane, "state", l.State)
		}
	}
}
