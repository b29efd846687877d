package results

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Line is one fact of a run.
type Line struct{ Key, Value string }

// Run is one block.
type Run []Line

// Begin begins a block with what every run has.
func Begin(command string, date time.Time) Run {
	return Run{{"date", date.UTC().Format(time.RFC3339)}, {"command", command}, {"machine", Machine()}}
}

// New is Begin for a run that ends now, with the time it took.
func New(command string, began time.Time) Run {
	r := Begin(command, began)
	r.Add("seconds", strconv.FormatFloat(time.Since(began).Seconds(), 'f', 1, 64))
	return r
}

// Add appends a line.
func (r *Run) Add(key string, value any) {
	text := strings.ReplaceAll(fmt.Sprint(value), "\n", "; ")
	*r = append(*r, Line{key, text})
}

// Value is that of the first line with the key, "" when there is none.
func (r Run) Value(key string) string {
	for _, l := range r {
		if l.Key == key {
			return l.Value
		}
	}
	return ""
}

// Machine is the number of processors, the architecture, and the kernel's
// release up to what its builder added.
func Machine() string {
	var u unix.Utsname
	_ = unix.Uname(&u) // fails for a bad pointer only
	release, _, _ := strings.Cut(unix.ByteSliceToString(u.Release[:]), "-")
	return fmt.Sprintf("%d cores, %s, Linux %s", runtime.NumCPU(), runtime.GOARCH, release)
}

// Append writes a run behind those that the file has; the file is made when
// there is none.
func Append(file string, r Run) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, l := range r {
		fmt.Fprintf(&text, "%s %s\n", l.Key, l.Value)
	}
	_, err = f.WriteString(text.String() + "\n")
	return errors.Join(err, f.Close())
}

// Read gives the runs of a file; one that is not there has none.
func Read(file string) ([]Run, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []Run
	var r Run
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		switch key, value, _ := strings.Cut(text, " "); {
		case strings.HasPrefix(text, "#"):
		case text == "" && r != nil:
			all, r = append(all, r), nil
		case text == "":
		case value == "":
			return nil, fmt.Errorf("%s:%d: %q: want a key and a value", file, n, text)
		default:
			r = append(r, Line{key, value})
		}
	}
	if r != nil {
		all = append(all, r)
	}
	return all, lines.Err()
}

// Total adds the whole numbers under a key over all runs.
func Total(all []Run, key string) (sum int) {
	for _, r := range all {
		n, _ := strconv.Atoi(r.Value(key))
		sum += n
	}
	return sum
}
