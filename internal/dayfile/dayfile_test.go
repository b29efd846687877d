package dayfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sallyport/internal/dayfile"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"2026-11-20.csv": "time,sensor,value,unit,seq\n2026-11-20T10:00:00.5Z,load,1,,1\n",
		"2026-11-21.csv": "time,sensor,value,unit,seq\n2026-11-21T10:00:00Z,fridge,4.5,C,7\n" +
			"2026-11-21T11:00:00Z,fridge,NaN,C,8\nrubbish\n\"torn\n2026-11-21T12:00:00Z,load,2,,9\n2026-11-21T13:00:00Z,loa",
		"notes.csv": "2026-11-21T10:00:00Z,other,1,,1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(since string) (text string, skipped int) {
		at, err := time.Parse(time.RFC3339, since)
		if err != nil {
			t.Fatal(err)
		}
		skipped, err = dayfile.Read(dir, at, func(r dayfile.Row) error {
			text += fmt.Sprintf("%s=%v%s#%d ", r.Sensor, r.Value, r.Unit, r.Seq)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return text, skipped
	}
	if text, skipped := read("2026-11-01T00:00:00Z"); text != "load=1#1 fridge=4.5C#7 load=2#9 " || skipped != 3 {
		t.Errorf("all: %s, %d skipped", text, skipped)
	}
	if text, _ := read("2026-11-21T12:30:00+01:00"); text != "load=2#9 " {
		t.Errorf("since: %s", text)
	}
	if _, err := dayfile.Read(dir+"/none", time.Time{}, nil); err == nil {
		t.Error("a directory that is not there was read")
	}
	stop := fmt.Errorf("enough")
	if _, err := dayfile.Read(dir, time.Time{}, func(dayfile.Row) error { return stop }); err != stop {
		t.Errorf("error %v", err)
	}
}
