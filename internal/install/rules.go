package install

import (
	"io/fs"
	"path/filepath"

	"sallyport/internal/config"
	"sallyport/policy"
)

// Rules are what a configuration is held to here, beside its own grammar: the
// profiles there are, the protections that can be waived, and that every
// worker's program is there, owned by root, the own user or one of owners, and
// writable by nobody else.
func (d Dir) Rules(owners []uint32) config.Rules {
	return config.Rules{
		Policies: policy.Roles,
		Waivers:  []string{OwnUID, Landlock, CgroupMemory, CgroupCPU},
		Owners:   owners,
		Fits:     fits,
		Interpreter: func(program string) (string, error) {
			f, err := config.Binary(d.Command(program), owners...)
			if err != nil {
				return "", err
			}
			defer f.Close()
			return config.Interpreter(f)
		},
		Command: func(program string) error {
			f, err := config.Binary(d.Command(program), owners...)
			if err != nil {
				return err
			}
			return f.Close()
		},
	}
}

// Profile resolves the profile of a worker: a built-in one by its name, or a file
// by its path, from the directory of the configuration. Such a file and what it
// includes beside it belong to whoever may own the configuration.
func Profile(configuration, profile string, owners []uint32) (name string, files fs.FS) {
	if policy.IsFile(profile) && !filepath.IsAbs(profile) {
		profile = filepath.Join(filepath.Dir(configuration), profile)
	}
	return policy.Source(profile, func(path string) ([]byte, error) { return config.Text(path, owners...) })
}
