package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"
	"github.com/spf13/cobra"

	"sallyport/internal/dayfile"
)

const defaultData = "/var/lib/sensor-logger"

// dataSource is where plot and export read from.
type dataSource struct {
	dir   string
	since time.Duration
}

func (d *dataSource) flags(c *cobra.Command, since time.Duration) {
	c.Flags().StringVar(&d.dir, "data", defaultData, "directory with the store's day files")
	c.Flags().DurationVar(&d.since, "since", since, "how far back; 0 is all there is")
}

func (d *dataSource) read(take func(dayfile.Row) error) error {
	var from time.Time
	if d.since > 0 {
		from = time.Now().Add(-d.since)
	}
	skipped, err := dayfile.Read(d.dir, from, take)
	if os.IsNotExist(err) {
		return exit{exitNoSuch, fmt.Sprintf("there is no directory %s; name the one of the store with --data", d.dir)}
	}
	if err == nil && skipped > 0 {
		fmt.Fprintf(os.Stderr, "sallyport: %d lines could not be read and were left out\n", skipped)
	}
	return err
}

func plotCommand() *cobra.Command {
	var from dataSource
	var width, height int
	c := &cobra.Command{
		Use: "plot SENSOR", Short: "draw what the store has of a sensor", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			var times []time.Time
			var values []float64
			unit, known := "", map[string]bool{}
			err := from.read(func(r dayfile.Row) error {
				known[r.Sensor] = true
				if r.Sensor == args[0] {
					times, values, unit = append(times, r.Time), append(values, r.Value), r.Unit
				}
				return nil
			})
			if err != nil {
				return err
			}
			if len(values) == 0 {
				return exit{exitNoSuch, fmt.Sprintf("%s has nothing of a sensor %q since %v; it has %s", from.dir, args[0], from.since,
					strings.Join(slices.Sorted(maps.Keys(known)), ", "))}
			}
			first, last := times[0].Local(), times[len(times)-1].Local()
			caption := fmt.Sprintf("%s %s, %d values, %s to %s", args[0], unit, len(values), first.Format(time.DateTime), last.Format(time.DateTime))
			_, err = fmt.Fprintln(c.OutOrStdout(), asciigraph.Plot(means(values, width), asciigraph.Height(height), asciigraph.Caption(caption)))
			return err
		},
	}
	from.flags(c, 6*time.Hour)
	c.Flags().IntVar(&width, "width", 72, "columns of the drawing")
	c.Flags().IntVar(&height, "height", 12, "lines of the drawing")
	return c
}

// means gives the mean of each of width parts, so that no column is between
// two values that were never there.
func means(values []float64, width int) []float64 {
	if width <= 0 || len(values) <= width {
		return values
	}
	out := make([]float64, width)
	for i := range out {
		part := values[i*len(values)/width : (i+1)*len(values)/width]
		for _, v := range part {
			out[i] += v / float64(len(part))
		}
	}
	return out
}

func exportCommand() *cobra.Command {
	var from dataSource
	var asCSV, asJSON bool
	c := &cobra.Command{
		Use: "export [SENSOR...]", Short: "write what the store has, as CSV or JSON lines, to the standard output",
		RunE: func(c *cobra.Command, sensors []string) error {
			if asCSV && asJSON {
				return exit{exitUsage, "--csv and --json exclude each other"}
			}
			out := bufio.NewWriter(c.OutOrStdout())
			write := exportCSV(out)
			if asJSON {
				write = exportJSON(out)
			}
			err := from.read(func(r dayfile.Row) error {
				if len(sensors) > 0 && !slices.Contains(sensors, r.Sensor) {
					return nil
				}
				return write(r)
			})
			if err != nil {
				return err
			}
			return out.Flush()
		},
	}
	from.flags(c, 0)
	c.Flags().BoolVar(&asCSV, "csv", false, "CSV with a heading (the default)")
	addJSON(c, &asJSON)
	return c
}

func exportCSV(out io.Writer) func(dayfile.Row) error {
	w := csv.NewWriter(out)
	heading := []string{"time", "sensor", "value", "unit", "seq"}
	return func(r dayfile.Row) error {
		if heading != nil {
			if err := w.Write(heading); err != nil {
				return err
			}
			heading = nil
		}
		err := w.Write([]string{r.Time.Format(time.RFC3339Nano), r.Sensor, strconv.FormatFloat(r.Value, 'f', -1, 64), r.Unit, strconv.FormatUint(r.Seq, 10)})
		w.Flush() // into the buffer around it
		return err
	}
}

func exportJSON(out io.Writer) func(dayfile.Row) error {
	e := json.NewEncoder(out)
	return func(r dayfile.Row) error {
		return e.Encode(struct {
			T      time.Time `json:"t"`
			Sensor string    `json:"sensor"`
			Value  float64   `json:"value"`
			Unit   string    `json:"unit"`
			Seq    uint64    `json:"seq"`
		}{r.Time, r.Sensor, r.Value, r.Unit, r.Seq})
	}
}
