package main

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// Colours of a terminal; every one ends in plain.
const (
	plain  = "\x1b[0m"
	bold   = "\x1b[1m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	red    = "\x1b[31m"
	faint  = "\x1b[2m"
)

// View draws the picture, as tall and as wide as the terminal.
func (t *top) View() string {
	var lines []string
	add := func(l ...string) { lines = append(lines, l...) }
	add(t.headLine())
	if err := t.looked.err; err != nil {
		add(t.paint(red, t.cut(err.Error())))
	}
	add("", t.paint(bold, t.cut("WORKERS")))
	add(t.workerLines()...)
	add("", t.paint(bold, t.cut("LANES")))
	add(t.laneLines()...)
	add("", t.paint(bold, t.cut("SENSORS")))
	add(t.sensorLines()...)
	add("", t.paint(bold, t.cut("EVENTS")))
	room := max(3, t.height-len(lines)-1)
	for _, e := range t.events[max(0, len(t.events)-room):] {
		add(t.cut(e))
	}
	if len(lines) > t.height && t.height > 0 {
		lines = lines[:t.height]
	}
	return strings.Join(lines, "\n")
}

func (t *top) headLine() string {
	r := t.looked.report
	up := time.Duration(r.UptimeMS * 1e6).Round(time.Second)
	return t.paint(bold, t.cut(fmt.Sprintf("%s  up %v  %d readings  %d alerts  %d lost  %d dropped  %d blocked   q: quit",
		r.Supervisor, up, r.Totals["readings"], r.Totals["alerts"], r.Totals["lost"], r.Totals["dropped"], r.Totals["blocked"])))
}

func (t *top) workerLines() []string {
	var lines []string
	for _, w := range t.looked.report.workers {
		text := fmt.Sprintf("  %-16s %-12s pid %-8d up %-10v restarts %-4d proof %d  grants %d  %s", w.Worker, w.State, w.PID,
			time.Duration(w.UptimeMS*1e6).Round(time.Second), w.Restarts, w.ProofLevel, len(w.Grants), w.LastExit)
		colour := yellow
		switch w.State {
		case "ready":
			colour = green
		case "given up", "quarantined":
			colour = red
		case "stopped", "declared":
			colour = faint
		}
		lines = append(lines, t.paint(colour, t.cut(text)))
	}
	return lines
}

const topBar = 24

// laneLines draws lanes as bars: how much of each is in use.
func (t *top) laneLines() []string {
	var lines []string
	for _, l := range t.looked.lanes {
		share := 0.0
		if l.LimitBytes > 0 {
			share = min(1, float64(l.UsedBytes)/float64(l.LimitBytes))
		}
		full := int(math.Round(share * topBar))
		text := fmt.Sprintf("  [%s%s] %3.0f%% %5d  %-9s %s", strings.Repeat("#", full), strings.Repeat("-", topBar-full), share*100, l.Messages, l.State, l.Lane)
		colour := ""
		switch {
		case l.State == "revoked" || share > 0.8:
			colour = red
		case l.State != "open" || share > 0.5:
			colour = yellow
		}
		lines = append(lines, t.paint(colour, t.cut(text)))
	}
	return lines
}

func (t *top) sensorLines() []string {
	var lines []string
	for _, name := range t.order {
		s := t.sensors[name]
		text := fmt.Sprintf("  %-16s %14s  %s", name, quantity(s.values[len(s.values)-1], s.unit), sparkline(s.values))
		colour := ""
		if s.alert {
			colour = red
		}
		lines = append(lines, t.paint(colour, t.cut(text)))
	}
	if len(lines) == 0 {
		lines = append(lines, t.paint(faint, t.cut("  nothing was read yet")))
	}
	return lines
}

// sparkline draws values between their least and their greatest.
func sparkline(values []float64) string {
	steps := []rune("▁▂▃▄▅▆▇█")
	least, most := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		least, most = min(least, v), max(most, v)
	}
	var b strings.Builder
	for _, v := range values {
		i := 0
		if most > least {
			i = int((v - least) / (most - least) * float64(len(steps)-1))
		}
		b.WriteRune(steps[max(0, min(i, len(steps)-1))])
	}
	return b.String()
}

func (t *top) paint(colour, text string) string {
	if !t.color || colour == "" {
		return text
	}
	return colour + text + plain
}

// cut makes a text fit into a line, and keeps what a terminal would act on out.
func (t *top) cut(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	if t.width <= 0 {
		return text
	}
	return runewidth.Truncate(text, t.width, "")
}
