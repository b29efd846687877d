package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/control"
)

// shower turns events into lines for people. Readings are gathered into one
// line a second, unless every is set.
type shower struct {
	out   io.Writer
	every bool

	latest map[string]control.Reading
	last   time.Time
	seen   control.Summary // counted here, for a supervisor that does not live to say
}

func (s *shower) line(at time.Time, what, text string) {
	fmt.Fprintf(s.out, "%s  %-9s  %s\n", at.Local().Format("15:04:05.000"), what, text)
}

func (s *shower) event(at time.Time, e control.Event) {
	switch e := e.(type) {
	case control.Ready:
		s.line(at, "ready", fmt.Sprintf("%s: confined, proof level %d, after %.0f ms", e.Worker, e.ProofLevel, e.MS))
	case control.Reading:
		s.reading(at, e)
	case control.Raised:
		s.line(at, "ALERT", fmt.Sprintf("%s %s", e.Sensor, quantity(e.Value, e.Unit)))
	case control.Alert:
		text := fmt.Sprintf("%s: %s had it after %s", e.Sensor, e.Receiver, micros(e.LatencyUS))
		if e.Overtook > 0 {
			text += fmt.Sprintf(", ahead of %d readings that were queued before it", e.Overtook)
		}
		s.line(at, "", text)
	case control.Blocked:
		s.line(at, "BLOCKED", fmt.Sprintf("%s called %s: not in its profile %s; the call was not made, the worker was ended", e.Worker, e.Syscall, e.Profile))
	case control.Exited:
		s.line(at, "ended", fmt.Sprintf("%s: %s; next: %s", e.Worker, e.Reason, e.Next))
	case control.Regranted:
		s.line(at, "REGRANTED", fmt.Sprintf("%s holds %s again, %.0f ms after its predecessor's end (hand-over with receipts: %.1f ms)",
			e.Worker, strings.Join(e.Names, ", "), e.MS, e.HandoverMS))
	case control.Flood:
		s.line(at, "FLOOD", fmt.Sprintf("%s: %s %s: %s", e.Worker, e.Lane, e.Step, e.Why))
	case control.Output:
		s.line(at, "output", fmt.Sprintf("%s is %s", e.Device, map[bool]string{true: "on", false: "off"}[e.Value != 0]))
	case control.Upgrading:
		s.line(at, "upgrading", "a new program takes the supervisor's place")
	case control.Upgraded:
		s.line(at, "UPGRADED", fmt.Sprintf("from %s to %s in %.0f ms; %d workers ran on", e.From, e.To, e.MS, e.Workers))
	case control.UpgradeFailed:
		s.line(at, "", fmt.Sprintf("not upgraded, the program before goes on: %s", e.Why))
	case control.Missed:
		s.line(at, "", fmt.Sprintf("(%d events were not shown: this terminal was too slow)", e.Events))
	case control.Summary:
		s.summary(e)
	}
}

func (s *shower) reading(at time.Time, r control.Reading) {
	if s.every {
		s.line(at, "reading", fmt.Sprintf("%s %s", r.Sensor, quantity(r.Value, r.Unit)))
		return
	}
	if s.latest == nil {
		s.latest = make(map[string]control.Reading)
	}
	s.latest[r.Sensor] = r
	if at.Sub(s.last) < time.Second {
		return
	}
	s.last = at
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(s.latest)) {
		parts = append(parts, name+" "+quantity(s.latest[name].Value, s.latest[name].Unit))
	}
	s.line(at, "readings", strings.Join(parts, "  "))
}

func (s *shower) summary(e control.Summary) {
	fmt.Fprintf(s.out, "\n%d readings, %d alerts; lost %d (and %d in the hand of killed workers, %d dropped at full lanes)\n",
		e.Readings, e.Alerts, e.Lost, e.InFlightLost, e.Dropped)
	if e.Waited > 0 {
		fmt.Fprintf(s.out, "%d readings waited for room in their lane\n", e.Waited)
	}
	fmt.Fprintf(s.out, "%d calls blocked, %d times granted again; left open in the kernel's tables: %s descriptors, %s queues\n",
		e.Blocked, e.Regranted, counted(e.LeakedFDs), counted(e.LeakedQueues))
}

// counted shows a figure of the kernel's tables; -1 stands for not counted.
func counted(n int) string {
	if n < 0 {
		return "(not counted)"
	}
	return strconv.Itoa(n)
}

// count keeps the figures that can be had from the events alone.
func (s *shower) count(e control.Event) {
	switch e.(type) {
	case control.Reading:
		s.seen.Readings++
	case control.Raised:
		s.seen.Alerts++
	case control.Blocked:
		s.seen.Blocked++
	case control.Regranted:
		s.seen.Regranted++
	}
}

// missingSummary stands in for the one of a supervisor that was killed: what
// nobody could count is -1.
func (s *shower) missingSummary() control.Summary {
	sum := s.seen
	sum.LeakedFDs, sum.LeakedQueues = -1, -1
	return sum
}

func mustEncode(e control.Event) []byte {
	line, err := control.Encode(time.Now(), e)
	if err != nil {
		return []byte(strconv.Quote(err.Error())) // counts alone: there is nothing JSON has no form for
	}
	return line
}

func quantity(v float64, unit string) string {
	return strings.TrimSpace(strconv.FormatFloat(v, 'f', -1, 64) + " " + unit)
}

func micros(us uint32) string {
	return (time.Duration(us) * time.Microsecond).String()
}
