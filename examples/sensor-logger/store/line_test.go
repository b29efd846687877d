package main

import (
	"bytes"
	"encoding/csv"
	"flag"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"sallyport/pkg/worker"
)

var update = flag.Bool("update", false, "write the golden file anew")

func lines() []worker.Item {
	at := time.Date(2026, 3, 29, 1, 59, 59, 987654321, time.UTC)
	warsaw := time.FixedZone("", 2*60*60)
	return []worker.Item{
		{Time: at, Sensor: "cpu_temp", Value: 48.312, Unit: "C", Seq: 1},
		{Time: at.Add(13 * time.Millisecond), Sensor: "memory", Value: 12345678, Unit: "kB", Seq: 2},
		{Time: at.In(warsaw), Sensor: "load", Value: 0, Seq: 3},
		{Time: time.Unix(0, 0), Sensor: "tiny", Value: -1e-9, Unit: "m3", Seq: 4},
		{Time: at, Sensor: "big", Value: 1e21, Unit: "Bq", Seq: math.MaxUint64},
		{Time: at, Sensor: "fridge", Value: 9.5, Unit: "C", Text: "fridge is 9.5, above 8", Seq: 1, Alert: true},
		{Time: at, Sensor: "hostile", Value: 1, Unit: "a,\"b\"\nc", Seq: 5},
	}
}

func TestAppendLineGolden(t *testing.T) {
	const golden = "testdata/lines.csv"
	var got []byte
	for _, it := range lines() {
		got = appendLine(got, it)
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("lines are\n%swant\n%s", got, want)
	}
}

// Whatever an item holds, it is one line of five fields.
func TestAppendLineReadsBack(t *testing.T) {
	for _, it := range lines() {
		line := appendLine(nil, it)
		if bytes.Count(line, []byte("\n")) != 1 {
			t.Errorf("%q is not one line", line)
		}
		rows, err := csv.NewReader(bytes.NewReader(line)).ReadAll()
		if err != nil || len(rows) != 1 || len(rows[0]) != 5 {
			t.Errorf("%q: %q, %v", line, rows, err)
			continue
		}
		row := rows[0]
		if v, err := strconv.ParseFloat(row[2], 64); err != nil || v != it.Value {
			t.Errorf("value %q, want %v", row[2], it.Value)
		}
		if at, err := time.Parse(time.RFC3339, row[0]); err != nil || !at.Equal(it.Time.Truncate(time.Millisecond)) {
			t.Errorf("time %q, want %v", row[0], it.Time)
		}
	}
}
