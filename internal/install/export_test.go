package install

import (
	"io/fs"

	"sallyport/internal/config"
	"sallyport/internal/seccomp"
)

// Undone is what a profile that is not the supervisor's own would undo of a device.
func Undone(files fs.FS, profile string, d config.Device) ([]config.Objection, error) {
	p, err := seccomp.Parse(profile, files)
	if err != nil {
		return nil, err
	}
	b, err := p.Bind(seccomp.Native(), seccomp.Symbols())
	if err != nil {
		return nil, err
	}
	return undone(b, &config.Config{Devices: []config.Device{d}}, &config.Worker{Policy: profile, Devices: []string{d.Name}}), nil
}
