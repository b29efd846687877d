package archtest

import (
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"slices"
)

// Built are the files that `make build` leaves, beneath bin/. All but the
// supervisor are static and free of cgo.
var Built = []string{
	"sallyport", "supervisor", "worker",
	"workers/sampler", "workers/store", "workers/alarm", "workers/rogue",
}

// Static says in words why a built file is not what the unprivileged side runs:
// one file that needs no other, without cgo and without this machine's paths.
func Static(name string) error {
	file, err := elf.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return fmt.Errorf("%s has a %s segment: it is linked dynamically", name, p.Type)
		}
	}
	return settings(name, map[string]string{"CGO_ENABLED": "0", "-trimpath": "true"})
}

// Privileged says why a built file is not the supervisor: linked with
// libseccomp, and without this machine's paths.
func Privileged(name string) error {
	file, err := elf.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	libraries, err := file.ImportedLibraries()
	if err != nil {
		return err
	}
	if !slices.Contains(libraries, "libseccomp.so.2") {
		return fmt.Errorf("%s is linked with %q, and not with libseccomp.so.2", name, libraries)
	}
	return settings(name, map[string]string{"CGO_ENABLED": "1", "-trimpath": "true"})
}

// settings compares what the go command wrote into the file.
func settings(name string, want map[string]string) error {
	about, err := buildinfo.ReadFile(name)
	if err != nil {
		return err
	}
	have := map[string]string{}
	for _, s := range about.Settings {
		have[s.Key] = s.Value
	}
	for key, value := range want {
		if have[key] != value {
			return fmt.Errorf("%s was built with %s=%q, want %q", name, key, have[key], value)
		}
	}
	return nil
}
