package install

import (
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
		Profile:  profiles(owners),
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
