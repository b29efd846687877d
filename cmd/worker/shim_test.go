package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"sallyport/internal/lane"
	"sallyport/internal/reading"
	"sallyport/internal/testenv"
	"sallyport/internal/workertest"
	"sallyport/pkg/scmrights"
)

func TestParsePrinted(t *testing.T) {
	for line, want := range map[string]string{
		"temp 21.5 C":               "{temp 21.5 C false }",
		"  temp   -3e2":             "{temp -300  false }",
		"! temp 80 C too hot":       "{temp 80 C true too hot}",
		"!temp 80":                  "{temp 80  true }",
		"temp":                      "want: name value unit",
		"temp 21 C and more":        "want: name value unit",
		"! temp":                    "want: name value unit",
		"temp warm C":               `"warm" is no value`,
		"temp NaN C":                `"NaN" is no value`,
		"temp Inf C":                `"Inf" is no value`,
		strings.Repeat("x", 300):    "want:",
		"temp 1e999 C":              `"1e999" is no value`,
		"\x1b[2J 1 C":               "{\x1b[2J 1 C false }",
		"! temp 1 C \x00\xff e\x1b": "{temp 1 C true \x00\xff e\x1b}",
	} {
		p, err := parse(line)
		got := fmt.Sprint(p)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%.40q: %q, want %q", line, got, want)
		}
	}
}

// TestShimSendsWhatIsPrinted: readings and alerts under the worker's name; what
// cannot be read is said, and nothing stops.
func TestShimSendsWhatIsPrinted(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	p := workertest.Exec(t, 1, shimVariable+"=1")
	lanes := workertest.NewLanes(t)
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Grant("it", scmrights.KindPipe, out)
	p.GrantBells(lanes, nil)
	sensor := workertest.Sensor(1, "it.temp", "", "")
	sensor.Unit = "C"
	p.Start(lane.Start{Worker: lane.StartWorker{ID: 1, Name: "it"}, Sensors: []lane.Sensor{sensor}, Send: []lane.Out{lanes.Out(2)}})
	p.Ready()
	if _, err := in.WriteString("temp 1 C\nodd\nother 5 C\ntemp 2 F\n" + strings.Repeat("x", 2000) + " 1 C\ntemp 3\n! temp 80 C too hot\ntemp 4 C\n"); err != nil {
		t.Fatal(err)
	}
	r := lanes.Receiver(2, 1)
	ctx, cancel := context.WithTimeout(t.Context(), workertest.Patience)
	defer cancel()
	readings, alerts := []float64{}, []float64{}
	for len(readings)+len(alerts) < 4 {
		it, err := r.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if it.Frame.Kind == reading.Alert {
			alerts = append(alerts, it.Frame.Value)
			r.Acted()
			continue
		}
		readings = append(readings, it.Frame.Value)
	}
	if fmt.Sprint(readings) != "[1 3 4]" || fmt.Sprint(alerts) != "[80]" {
		t.Errorf("readings %v, alerts %v", readings, alerts)
	}
	p.Stop()
	if err := p.End(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{`"odd": want: name value unit`, `"other 5 C": `, `the unit of temp is \"C\"`} {
		if !strings.Contains(strings.ReplaceAll(p.Stderr.String(), `"C"`, `\"C\"`), want) {
			t.Errorf("no %s in %s", want, p.Stderr.String())
		}
	}
}
