package conformance_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestLTPMsgget(t *testing.T)    { runList(t, ltpGet) }
func TestLTPMsgsnd(t *testing.T)    { runList(t, ltpSend) }
func TestLTPMsgrcv(t *testing.T)    { runList(t, ltpReceive) }
func TestLTPMsgctl(t *testing.T)    { runList(t, ltpControl) }
func TestLTPMsgstress(t *testing.T) { runList(t, ltpStress) }
func TestLTPNamespace(t *testing.T) { runList(t, ltpNamespace) }
func TestGVisor(t *testing.T)       { runList(t, gvisor) }
func TestSysvIPC(t *testing.T)      { runList(t, sysvIPC) }
func TestMsgque(t *testing.T)       { runList(t, msgque) }

// The document counts the lists as they are here, and gives every reason.
func TestDocumentCounts(t *testing.T) {
	text, err := os.ReadFile("../../docs/conformance-sysvctl.md")
	must(t, err)
	for _, l := range []struct {
		name string
		list []entry
	}{
		{"LTP msgget", ltpGet}, {"LTP msgsnd", ltpSend}, {"LTP msgrcv", ltpReceive}, {"LTP msgctl", ltpControl},
		{"LTP msgstress", ltpStress}, {"LTP mesgq_nstest", ltpNamespace}, {"gVisor msgqueue", gvisor}, {"sysv_ipc message queues", sysvIPC}, {"kernel ipc/msgque", msgque},
	} {
		done, names := 0, map[string]bool{}
		for _, e := range l.list {
			if names[e.name] {
				t.Errorf("%s: %s is there twice", l.name, e.name)
			}
			names[e.name] = true
			if e.run != nil {
				done++
				continue
			}
			if line := fmt.Sprintf("| %s | `%s` | %s |", l.name, e.name, e.why); e.why == "" || !strings.Contains(string(text), line) {
				t.Errorf("no such line:\n%s", line)
			}
		}
		if line := fmt.Sprintf("| %s | %d | %d | %d |", l.name, len(l.list), done, len(l.list)-done); !strings.Contains(string(text), line) {
			t.Errorf("no such line:\n%s", line)
		}
	}
}

// Every test that the document names is there.
func TestDocumentNamesTests(t *testing.T) {
	text, err := os.ReadFile("../../docs/conformance-sysvctl.md")
	must(t, err)
	var sources strings.Builder
	for _, pattern := range []string{"*_test.go", "../../pkg/sysvctl/*_test.go"} {
		names, err := filepath.Glob(pattern)
		must(t, err)
		for _, name := range names {
			source, err := os.ReadFile(name)
			must(t, err)
			sources.Write(source)
		}
	}
	names := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(text), -1)
	if len(names) < 20 {
		t.Errorf("only %d names", len(names))
	}
	for _, m := range names {
		if !strings.Contains(sources.String(), "\nfunc "+m[1]+"(t *testing.T)") {
			t.Errorf("no test %s", m[1])
		}
	}
}
