package scmp

import (
	"fmt"
	"io"
	"os"

	lib "github.com/seccomp/libseccomp-golang"

	"sallyport/internal/seccomp"
)

// treeFrom is the number of rules from which libseccomp's binary tree over the
// call numbers (optimisation level 2, since 2.5.0) is asked for: below it, a
// list of comparisons is no longer than the way through the tree.
const treeFrom = 32

// Compile translates the profile into a BPF program for its architecture. The
// program gives notice of every call that no rule names, and kills the process
// for another architecture, for x32 and for the calls that are never admitted.
//
// Programs for an architecture other than the native one are for checking and
// for tests: the library then wants each call under the number or the stand-in
// that the native table has for its name, and knows none that is newer than it.
func Compile(b *seccomp.Bound) (*seccomp.Program, error) {
	code, err := compile(b)
	if err != nil {
		return nil, fmt.Errorf("compile profile %s for %s: %w", b.Profile.Name, b.Arch, err)
	}
	return seccomp.NewProgram(b.Arch, b.Profile.Name, code), nil
}

func compile(b *seccomp.Bound) ([]byte, error) {
	rules := b.Rules()
	filter, err := newFilter(b.Arch)
	if err != nil {
		return nil, err
	}
	defer filter.Release()
	if len(rules) >= treeFrom {
		if err := filter.SetOptimize(2); err != nil {
			return nil, fmt.Errorf("optimisation level 2: %w", err)
		}
	}
	for _, r := range rules {
		if err := add(filter, b.Arch, r); err != nil {
			return nil, fmt.Errorf("%s: %w", r.Call, err)
		}
	}
	return export(filter)
}

// Version is the release of libseccomp that this program is linked with.
func Version() string {
	major, minor, micro := lib.GetLibraryVersion()
	return fmt.Sprintf("%d.%d.%d", major, minor, micro)
}

// newFilter is empty: everything is a notice. The library's own choice for a
// foreign architecture is to kill the thread, which would leave a Go process
// running without it.
func newFilter(a seccomp.Arch) (*lib.ScmpFilter, error) {
	filter, err := lib.NewFilter(lib.ActNotify)
	if err != nil {
		return nil, fmt.Errorf("new filter (libseccomp 2.5 and the kernel's notices are needed): %w", err)
	}
	if err := filter.SetBadArchAction(lib.ActKillProcess); err != nil {
		filter.Release()
		return nil, fmt.Errorf("action for foreign architectures: %w", err)
	}
	if err := setArch(filter, a); err != nil {
		filter.Release()
		return nil, err
	}
	return filter, nil
}

func setArch(filter *lib.ScmpFilter, a seccomp.Arch) error {
	if a == seccomp.Native() {
		return nil
	}
	native, err := lib.GetNativeArch()
	if err != nil {
		return err
	}
	if err := filter.AddArch(archOf(a)); err != nil {
		return fmt.Errorf("add architecture: %w", err)
	}
	if err := filter.RemoveArch(native); err != nil {
		return fmt.Errorf("remove the native architecture: %w", err)
	}
	return nil
}

func archOf(a seccomp.Arch) lib.ScmpArch {
	switch a {
	case seccomp.AMD64:
		return lib.ArchAMD64
	case seccomp.ARM64:
		return lib.ArchARM64
	case seccomp.ARM:
		return lib.ArchARM
	}
	return lib.ArchInvalid
}

func add(filter *lib.ScmpFilter, a seccomp.Arch, r seccomp.FilterRule) error {
	call := lib.ScmpSyscall(int32(r.Nr))
	if a != seccomp.Native() {
		var err error
		if call, err = lib.GetSyscallFromName(r.Call); err != nil {
			return fmt.Errorf("the library has no name for it, so it compiles on %s only: %w", a, err)
		}
	}
	action, err := actionOf(r.Verdict)
	if err != nil {
		return err
	}
	if len(r.Tests) == 0 {
		return filter.AddRuleExact(call, action)
	}
	conditions := make([]lib.ScmpCondition, len(r.Tests))
	for i, t := range r.Tests {
		// Masked equality only: see the package of the language.
		if conditions[i], err = lib.MakeCondition(uint(t.Arg), lib.CompareMaskedEqual, t.Mask, t.Value); err != nil {
			return err
		}
	}
	return filter.AddRuleConditionalExact(call, action, conditions)
}

func actionOf(v seccomp.FilterVerdict) (lib.ScmpAction, error) {
	if e, ok := v.Errno(); ok {
		return lib.ActErrno.SetReturnCode(int16(e)), nil
	}
	switch v {
	case seccomp.FilterAllow:
		return lib.ActAllow, nil
	case seccomp.FilterKill:
		return lib.ActKillProcess, nil
	}
	return lib.ActInvalid, fmt.Errorf("a rule with verdict %v", v)
}

// export reads the program through a pipe while the library writes it: it may be
// larger than the pipe holds. (Export into memory needs libseccomp 2.6.)
func export(filter *lib.ScmpFilter) ([]byte, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	done := make(chan error, 1)
	go func() {
		err := filter.ExportBPF(w)
		w.Close()
		done <- err
	}()
	code, readErr := io.ReadAll(r)
	if err := <-done; err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return code, readErr
}
