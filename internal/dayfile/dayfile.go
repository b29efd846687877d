package dayfile

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Row is one line.
type Row struct {
	Time   time.Time
	Sensor string
	Value  float64
	Unit   string
	Seq    uint64
}

var dayName = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}\.csv$`)

// Read calls take for every row from since on, oldest file first, and returns how
// many lines could not be read. The error is that of take, or of a directory or
// file that cannot be read.
func Read(dir string, since time.Time, take func(Row) error) (skipped int, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var days []string
	for _, e := range entries {
		if dayName.MatchString(e.Name()) && e.Name() >= since.UTC().Format(time.DateOnly)+".csv" {
			days = append(days, e.Name())
		}
	}
	slices.Sort(days)
	for _, day := range days {
		n, err := readDay(filepath.Join(dir, day), since, take)
		skipped += n
		if err != nil {
			return skipped, err
		}
	}
	return skipped, nil
}

func readDay(name string, since time.Time, take func(Row) error) (skipped int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewReader(f)
	for first := true; ; first = false {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return skipped, nil // what has no end is being written
		}
		if err != nil {
			return skipped, fmt.Errorf("%s: %w", name, err)
		}
		if first && strings.HasPrefix(line, "time,") {
			continue
		}
		row, err := parse(line)
		if err != nil {
			skipped++
			continue
		}
		if row.Time.Before(since) {
			continue
		}
		if err := take(row); err != nil {
			return skipped, err
		}
	}
}

func parse(line string) (Row, error) {
	fields, err := csv.NewReader(strings.NewReader(line)).Read()
	if err != nil {
		return Row{}, err
	}
	if len(fields) < 5 {
		return Row{}, fmt.Errorf("%d fields", len(fields))
	}
	at, err1 := time.Parse(time.RFC3339, fields[0])
	value, err2 := strconv.ParseFloat(fields[2], 64)
	seq, err3 := strconv.ParseUint(fields[4], 10, 64)
	if math.IsNaN(value) || math.IsInf(value, 0) {
		err2 = fmt.Errorf("value %v", value)
	}
	return Row{Time: at, Sensor: fields[1], Value: value, Unit: fields[3], Seq: seq}, errors.Join(err1, err2, err3)
}
