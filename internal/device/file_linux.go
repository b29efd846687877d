package device

import (
	"fmt"
	"path/filepath"
	"strings"

	"sallyport/internal/config"
	"sallyport/internal/reading"
)

// maxAttribute is how much of a file is looked at; the workers' limit too.
const maxAttribute = 4096

// findFile takes the path as it is, and reads it once: a decode that does not fit
// its file is a mistake of the configuration, best said before anything runs.
func findFile(d config.Device, o Options) ([]attribute, error) {
	path := d.Path
	if rest, in := strings.CutPrefix(path, "/proc/"); in {
		path = filepath.Join(o.proc(), rest)
	} else if rest, in := strings.CutPrefix(path, "/sys/"); in {
		path = filepath.Join(o.sys(), rest)
	}
	a := attribute{dir: filepath.Dir(path), file: filepath.Base(path), decode: d.Decode}
	decode, err := reading.ParseDecode(d.Decode)
	if err != nil {
		return nil, err
	}
	opened, err := a.open(Options{})
	if err != nil {
		return nil, err
	}
	defer opened.File.Close()
	raw := make([]byte, maxAttribute)
	n, err := opened.File.ReadAt(raw, 0)
	if n == 0 && err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := decode.Value(raw[:n]); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return []attribute{a}, nil
}
