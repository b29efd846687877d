package killsup

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// maxDay is the size in bytes at which a day file is begun anew.
const maxDay = 4 << 20

var dayLine = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z,(load|sine|fridge),-?[0-9.]+,,[0-9]+$`)

const dayHeader = "time,sensor,value,unit,seq"

func (l *lane) dayFiles() ([]string, error) {
	return filepath.Glob(filepath.Join(l.cfg.Dir, "data", "*.csv"))
}

// lookAtDays reads what is new in the day files up to the last newline, behind
// which a writer may be. Every line must be whole.
func (l *lane) lookAtDays() error {
	names, err := l.dayFiles()
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		end := int64(bytes.LastIndexByte(text, '\n') + 1)
		from := l.days[name]
		if from > end {
			return fmt.Errorf("%s: %d bytes of whole lines, and there were %d", name, end, from)
		}
		for i, line := range bytes.Split(bytes.TrimSuffix(text[from:end], []byte("\n")), []byte("\n")) {
			header := from == 0 && i == 0
			if header && string(line) == dayHeader || !header && dayLine.Match(line) || from == end {
				continue
			}
			return fmt.Errorf("%s: line %q behind byte %d", name, line, from)
		}
		l.days[name] = end
	}
	return nil
}

// tear cuts the last bytes off every day file, as a power cut could, while no
// supervisor runs. One that has grown large is removed.
func (l *lane) tear(bytesOff int) error {
	names, err := l.dayFiles()
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if len(text) > maxDay {
			delete(l.days, name)
			if err := os.Remove(name); err != nil {
				return err
			}
			continue
		}
		if bytesOff == 0 || len(text) < len(dayHeader)+1+bytesOff {
			continue
		}
		rest := text[:len(text)-bytesOff]
		if err := os.Truncate(name, int64(len(rest))); err != nil {
			return err
		}
		l.days[name] = min(l.days[name], int64(bytes.LastIndexByte(rest, '\n')+1))
		l.tally.Torn++
	}
	return nil
}
