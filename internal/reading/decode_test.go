package reading_test

import (
	"math"
	"os"
	"strings"
	"testing"

	"sallyport/internal/reading"
)

const (
	meminfo = "MemTotal:       24673876 kB\nMemFree:         1000 kB\nMemAvailable:   12345678 kB\nMemAvailableX: 1 kB\n"
	psi     = "some avg10=4.53 avg60=2.12 avg300=1.94 total=13691636\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=7\n"
)

func TestDecodeValue(t *testing.T) {
	for _, tc := range []struct {
		decode, raw string
		want        float64
	}{
		{"", "21.5\n", 21.5},
		{"raw", "  -3e2 \n", -300},
		{"raw", "21.375         \n", 21.375}, // what a simulated input holds
		{"milli", "48312\n", 48.312},
		{"milli", "-125\n", -0.125},
		{"micro", "1500000\n", 1.5},
		{"field:0", "0.13 0.17 0.09 1/98 7746\n", 0.13},
		{"field:2", "0.13 0.17 0.09 1/98 7746\n", 0.09},
		{"field:4", "0.13 0.17 0.09 1/98 7746\n", 7746},
		{"field:0", "4.000          \n", 4},
		{"key:MemAvailable", meminfo, 12345678},
		{"key:MemFree", meminfo, 1000},
		{"key:Mem", "MemFree 5\nMem-x: 6\nMem:7\n", 7},
		{"key:Mem", "Memo 5\nMem\t7\n", 7},
		{"key:nr_free_pages", "nr_free_pages 42\n", 42},
		{"psi:some.avg10", psi, 4.53},
		{"psi:full.avg10", psi, 0.25},
		{"psi:full.total", psi, 7},
	} {
		d, err := reading.ParseDecode(tc.decode)
		if err != nil {
			t.Fatalf("%q: %v", tc.decode, err)
		}
		if got, err := d.Value([]byte(tc.raw)); err != nil || got != tc.want {
			t.Errorf("%s of %q = %v, %v; want %v", d, tc.raw, got, err, tc.want)
		}
	}
}

func TestDecodeRefusesText(t *testing.T) {
	for _, tc := range []struct{ decode, raw string }{
		{"raw", ""}, {"raw", "\n"}, {"raw", "nan\n"}, {"raw", "inf"}, {"raw", "0x10"}, {"raw", "1_000"}, {"raw", "1e999"}, {"raw", "1 2"},
		{"milli", "1.5\n"}, {"milli", ""}, {"milli", "99999999999999999999"},
		{"field:5", "0.13 0.17 0.09 1/98 7746\n"}, {"field:3", "0.13 0.17 0.09 1/98 7746\n"}, {"field:0", ""}, {"field:0", "\n1\n"},
		{"key:Mem", meminfo}, {"key:MemFree", "MemFree:\n"}, {"key:MemFree", "MemFree"},
		{"psi:some.avg10", "full avg10=1\n"}, {"psi:some.avg10", "some avg60=1\n"}, {"psi:some.avg10", "some avg10=\n"}, {"psi:some.avg10", ""},
	} {
		d, err := reading.ParseDecode(tc.decode)
		if err != nil {
			t.Fatalf("%q: %v", tc.decode, err)
		}
		if got, err := d.Value([]byte(tc.raw)); err == nil {
			t.Errorf("%s of %q = %v, want an error", d, tc.raw, got)
		}
	}
}

func TestDecodeRefusesForm(t *testing.T) {
	for _, s := range []string{"Raw", "raw:", "milli:1", "field", "field:", "field:-1", "field:64", "field:x", "field:+1", "key:", "key:a b", "key:a:", "psi:", "psi:some", "psi:any.avg10", "psi:some.avg20", "json:x"} {
		if d, err := reading.ParseDecode(s); err == nil {
			t.Errorf("%q was taken as %s", s, d)
		} else if !strings.Contains(err.Error(), s) {
			t.Errorf("%q: the error does not quote it: %v", s, err)
		}
	}
}

func TestDecodeRealFiles(t *testing.T) {
	for path, form := range map[string]string{
		"/proc/loadavg": "field:0", "/proc/meminfo": "key:MemAvailable", "/proc/pressure/cpu": "psi:some.avg10",
	} {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Logf("%s: %v", path, err)
			continue
		}
		d, err := reading.ParseDecode(form)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Value(raw); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func FuzzDecodeText(f *testing.F) {
	f.Add("psi:some.avg10", []byte(psi))
	f.Add("key:MemFree", []byte(meminfo))
	f.Add("field:63", []byte("1 2 3"))
	f.Add("milli", []byte("-"))
	f.Fuzz(func(t *testing.T, form string, raw []byte) {
		d, err := reading.ParseDecode(form)
		if err != nil {
			return
		}
		if again, err := reading.ParseDecode(d.String()); err != nil || again.String() != d.String() {
			t.Fatalf("%q does not parse again: %v", d, err)
		}
		if v, err := d.Value(raw); err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
			t.Fatalf("%s of %q = %v", d, raw, v)
		}
	})
}
