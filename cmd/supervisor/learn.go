package main

import (
	"encoding/json"
	"os"

	"golang.org/x/sys/unix"

	"sallyport/internal/launch"
	"sallyport/internal/seccomp"
)

// recordingProfile admits what has no arguments and ends a program or a signal
// handler. All other calls are notices, which are written down and continued; a
// few kill under this profile as under every one.
const recordingProfile = `rt_sigreturn
exit
exit_group
restart_syscall
`

// learned is what a run with -learn leaves behind for the command.
type learned struct {
	Worker   string              `json:"worker"`
	Arch     string              `json:"arch"`
	Vars     map[string][]uint64 `json:"vars"`
	Protocol int                 `json:"protocol"`
	Program  string              `json:"program"`
	Empty    bool                `json:"empty_root"`
	Seen     []seccomp.Seen      `json:"seen"`
	Lost     int                 `json:"lost"`
}

// recording is the filter of the worker whose calls are to be learned.
func (f *filters) recording(vars seccomp.Vars) (*filter, error) {
	made, err := compile("recording", seccomp.Texts{"recording" + seccomp.Extension: recordingProfile}, vars)
	if err != nil {
		return nil, err
	}
	f.record = seccomp.NewRecorder(seccomp.Native())
	made.record = f.record
	return made, nil
}

// write notes a call and lets it go on, but for those that no profile could
// admit: another program, and a process or thread by flags that nobody sees.
func (f *filter) write(phase launch.Phase, nr uint32, args [6]uint64) launch.Verdict {
	f.record.Record(phase, nr, args)
	switch seccomp.CallName(seccomp.Native(), nr) {
	case "execve", "execveat", "clone3":
		return launch.Verdict{Errno: int32(unix.ENOSYS)}
	}
	return launch.Verdict{Continue: true}
}

// writeLearned leaves what was recorded in the file that -learned names.
func (s *supervisor) writeLearned() error {
	if s.filters == nil || s.filters.record == nil {
		return nil
	}
	out := learned{Worker: s.filters.learn, Arch: seccomp.Native().String()}
	st := s.now()
	for _, w := range st.workers {
		if w.cfg.Name == out.Worker {
			out.Protocol, out.Program, out.Empty = w.cfg.Protocol, st.programs.Command(w.cfg.Command[0]), len(w.cfg.ReadOnly) == 0
			out.Vars = w.vars
		}
	}
	out.Seen, out.Lost = s.filters.record.All()
	text, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return os.WriteFile(s.options.learned, text, 0o600)
}
