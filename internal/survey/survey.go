package survey

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Found is one thing. Block is a block of a configuration with Name as its name;
// Note says what else is to be filled in, "" for one that can be used as it is.
type Found struct {
	Name, Kind, What, Value string
	Block, Note             string
}

// Scan looks beneath root, which is "/" but in tests. What cannot be read is not
// there.
func Scan(root string) []Found {
	s := &scan{root: root}
	s.always()
	s.thermal()
	s.hwmon()
	s.iio()
	s.w1()
	s.lines()
	return s.found
}

type scan struct {
	root  string
	found []Found
}

func (s *scan) glob(pattern string) []string {
	names, _ := filepath.Glob(filepath.Join(s.root, pattern)) // the patterns are well formed
	slices.SortFunc(names, func(a, b string) int {
		if d := number(a) - number(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return names
}

var digits = regexp.MustCompile(`[0-9]+$`)

func number(name string) int {
	n, _ := strconv.Atoi(digits.FindString(filepath.Base(name))) // none is 0
	return n
}

// line is the first line of a text file, "" when there is none.
func line(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(first)
}

var noName = regexp.MustCompile(`[^A-Za-z0-9_]+`)

// add gives the thing a name of its own that a configuration takes.
func (s *scan) add(f Found, kind string, inside ...string) {
	name := strings.Trim(noName.ReplaceAllString(f.Name, "_"), "_")
	if name == "" || name[0] < 'A' {
		name = f.Kind + "_" + name
	}
	name = name[:min(len(name), 28)]
	f.Name = name
	for n := 2; slices.ContainsFunc(s.found, func(o Found) bool { return o.Name == f.Name }); n++ {
		f.Name = fmt.Sprintf("%s_%d", name, n)
	}
	f.Block = fmt.Sprintf("device %q {\n  %s", f.Name, strings.Join(append([]string{kind}, inside...), "\n  "))
	f.Block += "\n}\n"
	s.found = append(s.found, f)
}

func (s *scan) always() {
	if v := line(filepath.Join(s.root, "proc/loadavg")); v != "" {
		s.add(Found{Name: "load", Kind: "file", What: "load of the last minute", Value: strings.Fields(v)[0]}, `file = { path = "/proc/loadavg", decode = "field:0" }`)
	}
	if _, err := os.Stat(filepath.Join(s.root, "proc/meminfo")); err == nil {
		s.add(Found{Name: "mem_available", Kind: "file", What: "memory that programs could get"},
			`file = { path = "/proc/meminfo", decode = "key:MemAvailable", unit = "kB" }`)
	}
}

func (s *scan) thermal() {
	for _, dir := range s.glob("sys/class/thermal/thermal_zone*") {
		kind := line(dir + "/type")
		if kind == "" {
			continue
		}
		s.add(Found{Name: kind, Kind: "thermal", What: "thermal zone " + kind, Value: milli(line(dir+"/temp"), "C")},
			fmt.Sprintf("thermal = { type = %q }", kind))
	}
}

func (s *scan) hwmon() {
	for _, dir := range s.glob("sys/class/hwmon/hwmon*") {
		monitor := line(dir + "/name")
		if monitor == "" {
			continue
		}
		for _, file := range s.glob(strings.TrimPrefix(dir, s.root) + "/*_input") {
			input := strings.TrimSuffix(filepath.Base(file), "_input")
			label := line(strings.TrimSuffix(file, "_input") + "_label")
			by := input
			if label != "" {
				by = label
			}
			unit := ""
			if strings.HasPrefix(input, "temp") {
				unit = "C"
			}
			s.add(Found{Name: monitor + "_" + by, Kind: "hwmon", What: fmt.Sprintf("%s of %s", by, monitor), Value: milli(line(file), unit)},
				fmt.Sprintf("hwmon = { name = %q, input = %q }", monitor, by))
		}
	}
}

func (s *scan) iio() {
	for _, dir := range s.glob("sys/bus/iio/devices/iio:device*") {
		name := line(dir + "/name")
		var channels []string
		for _, suffix := range []string{"_input", "_raw"} {
			for _, file := range s.glob(strings.TrimPrefix(dir, s.root) + "/in_*" + suffix) {
				channels = append(channels, strconv.Quote(filepath.Base(file)))
			}
		}
		if name == "" || len(channels) == 0 {
			continue
		}
		s.add(Found{Name: name, Kind: "iio", What: "industrial I/O " + name, Value: fmt.Sprintf("%d channels", len(channels))},
			fmt.Sprintf("iio      = { name = %q }", name), fmt.Sprintf("channels = [%s]", strings.Join(channels, ", ")))
	}
}

func (s *scan) w1() {
	for _, dir := range s.glob("sys/bus/w1/devices/28-*") {
		id := filepath.Base(dir)
		s.add(Found{Name: "w1_" + id[3:], Kind: "w1", What: "1-wire thermometer " + id, Value: milli(line(dir+"/temperature"), "C")},
			fmt.Sprintf("w1 = { id = %q }", id))
	}
}

// lines are things of which only their owner knows what hangs on them.
func (s *scan) lines() {
	for _, dir := range s.glob("sys/bus/i2c/devices/i2c-*") {
		bus := filepath.Base(dir)
		s.add(Found{Name: "on_" + bus, Kind: "i2c", What: "bus " + line(dir+"/name"), Note: "the address of the chip"},
			fmt.Sprintf("i2c = { bus = %q, address = \"0x00\" }", bus))
	}
	for _, dir := range s.glob("sys/bus/spi/devices/spi*") {
		s.add(Found{Name: filepath.Base(dir), Kind: "spi", What: "chip " + line(dir+"/modalias"), Note: "speed and mode of the chip"},
			fmt.Sprintf("spi = { device = %q }", filepath.Base(dir)))
	}
	for _, link := range s.glob("dev/serial/by-id/*") {
		s.add(Found{Name: filepath.Base(link), Kind: "tty", What: "serial line", Note: "the speed of the line"},
			fmt.Sprintf("tty = { path = %q, baud = 9600 }", "/"+strings.TrimPrefix(strings.TrimPrefix(link, s.root), "/")))
	}
}

// milli is a value in thousandths as text.
func milli(text, unit string) string {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strconv.FormatFloat(float64(n)/1000, 'f', -1, 64) + " " + unit)
}
