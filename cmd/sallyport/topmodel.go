package main

import (
	"bytes"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"sallyport/internal/control"
)

const (
	topValues = 60  // of each sensor that are kept
	topEvents = 200 // that are kept
)

// top is the model of the live view; View in topview.go draws it.
type top struct {
	color         bool
	width, height int
	look          func() tea.Msg

	looked  looked
	sensors map[string]*series
	order   []string // of the sensors, as they came first
	events  []string
}

// series is the recent past of a sensor.
type series struct {
	values []float64
	unit   string
	alert  bool // its last word was one
}

func newTop(color bool) *top {
	return &top{color: color, width: 100, height: 40, sensors: map[string]*series{}}
}

// Init is called once by the program.
func (t *top) Init() tea.Cmd { return t.look }

// Update takes a message and says what to do next.
func (t *top) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		t.width, t.height = msg.Width, msg.Height
	case tea.KeyMsg:
		switch msg.String() {
		case "q", "esc", "ctrl+c":
			return t, tea.Quit
		}
	case happening:
		t.happened(msg.at, msg.event)
	case looked:
		t.take(msg)
		return t, tea.Tick(topEvery, func(time.Time) tea.Msg { return t.look() })
	}
	return t, nil
}

// take keeps a look. One that failed leaves the last picture, with the reason.
func (t *top) take(l looked) {
	if l.err != nil {
		t.looked.err = l.err
		return
	}
	t.looked = l
}

// happened keeps an event: values for the lines, everything else as text.
func (t *top) happened(at time.Time, e control.Event) {
	switch e := e.(type) {
	case control.Reading:
		t.sensor(e.Sensor).add(e.Value, e.Unit, false)
		return
	case control.Raised:
		t.sensor(e.Sensor).add(e.Value, e.Unit, true)
	}
	var text bytes.Buffer
	(&shower{out: &text}).event(at, e)
	for line := range strings.Lines(text.String()) {
		if line = strings.TrimRight(line, "\n"); line != "" {
			t.events = append(t.events, line)
		}
	}
	t.events = t.events[max(0, len(t.events)-topEvents):]
}

func (t *top) sensor(name string) *series {
	s := t.sensors[name]
	if s == nil {
		s = &series{}
		t.sensors[name] = s
		t.order = append(t.order, name)
	}
	return s
}

func (s *series) add(v float64, unit string, alert bool) {
	s.values = append(s.values, v)
	s.values = s.values[max(0, len(s.values)-topValues):]
	s.unit, s.alert = unit, alert
}
