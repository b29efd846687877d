package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"sallyport/internal/seccomp"
	"sallyport/internal/seccomp/scmp"
)

// maxCompile bounds in bytes what -compile reads: some files of 256 KiB.
const maxCompile = 4 << 20

// compileRequest asks for the program of a profile on some architectures. It is
// how the command, which is linked without libseccomp, gets to see one.
type compileRequest struct {
	Profile string              `json:"profile"`
	Files   map[string]string   `json:"files"` // by name, NAME.policy
	Archs   []string            `json:"archs"`
	Vars    map[string][]uint64 `json:"vars"`
}

// compiled is a program that says what its profile says, or why there is none.
type compiled struct {
	Arch      string `json:"arch"`
	BPF       []byte `json:"bpf"`
	CompileUS int64  `json:"compile_us"`
	VerifyUS  int64  `json:"verify_us"`
	Error     string `json:"error,omitempty"`
}

// compileFor answers one request: no privileges, no files, nothing started.
func compileFor(in io.Reader, out io.Writer) error {
	var r compileRequest
	if err := json.NewDecoder(io.LimitReader(in, maxCompile)).Decode(&r); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	profile, err := seccomp.Parse(r.Profile, seccomp.Texts(r.Files))
	if err != nil {
		return err
	}
	answer := json.NewEncoder(out)
	for _, name := range r.Archs {
		c := compiled{Arch: name}
		if err := c.fill(profile, r.Vars); err != nil {
			c.Error = err.Error()
		}
		if err := answer.Encode(c); err != nil {
			return err
		}
	}
	return nil
}

func (c *compiled) fill(profile *seccomp.Profile, vars seccomp.Vars) error {
	arch, err := seccomp.ParseArch(c.Arch)
	if err != nil {
		return err
	}
	bound, err := profile.Bind(arch, vars)
	if err != nil {
		return err
	}
	begin := time.Now()
	program, err := scmp.Compile(bound)
	if err != nil {
		return err
	}
	c.CompileUS = time.Since(begin).Microseconds()
	begin = time.Now()
	if err := seccomp.Verify(bound, program); err != nil {
		return err
	}
	c.VerifyUS, c.BPF = time.Since(begin).Microseconds(), program.BPF
	return nil
}
