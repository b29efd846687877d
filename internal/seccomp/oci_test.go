package seccomp_test

import (
	"encoding/json"
	"strings"
	"testing"

	"sallyport/internal/seccomp"
	"sallyport/policy"
)

// What is exported and imported again says the same, but for phases and for
// refusals beside a condition, which the format does not have.
func TestOCIRoundTrip(t *testing.T) {
	for _, name := range policy.Roles {
		for _, a := range seccomp.Archs {
			p, err := seccomp.Parse(name, policy.Files)
			if err != nil {
				t.Fatal(err)
			}
			b, err := p.Bind(a, seccomp.Vars{"send_queues": {3, 32769}, "receive_queues": {4}, "frames": {64, 256}, "block_queues": {9}})
			if err != nil {
				t.Fatal(err)
			}
			exported, notes, err := b.ExportOCI()
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(notes, "\n"), "$self_pid has no value") {
				t.Errorf("%s: no word of the open process id: %q", name, notes)
			}
			text, lost, err := seccomp.ImportOCI(exported)
			if err != nil {
				t.Fatalf("%s on %s: %v", name, a, err)
			}
			if len(lost) > 0 {
				t.Errorf("%s on %s: %q", name, a, lost)
			}
			again, err := seccomp.Parse("p", files("p", text))
			if err != nil {
				t.Fatalf("%s on %s: %v\n%s", name, a, err, text)
			}
			bound, err := again.Bind(a, nil)
			if err != nil {
				t.Fatal(err)
			}
			second, _, err := bound.ExportOCI()
			if err != nil {
				t.Fatal(err)
			}
			if string(second) != string(exported) {
				t.Errorf("%s on %s: the second export differs from the first", name, a)
			}
			sameMeaning(t, b, bound)
		}
	}
}

// sameMeaning compares every call without arguments, and with those of rules.
func sameMeaning(t *testing.T, was, is *seccomp.Bound) {
	t.Helper()
	compare := func(nr uint32, args [6]uint64) {
		admitted := was.Decide(seccomp.Starting, nr, args).Action
		if admitted == seccomp.Continue {
			admitted = seccomp.Allow
		}
		got := is.Decide(seccomp.Running, nr, args)
		ended := func(a seccomp.Action) bool { return a == seccomp.Breach || a == seccomp.Kill }
		if got.Action != admitted && !(ended(got.Action) && (ended(admitted) || admitted == seccomp.Errno)) {
			t.Errorf("%s: %s was %v, is %v", was.Profile.Name, seccomp.Describe(was.Arch, nr, args), admitted, got.Action)
		}
	}
	for nr := range uint32(600) {
		compare(nr, [6]uint64{})
	}
	for _, r := range was.Rules() {
		args := [6]uint64{}
		for _, test := range r.Tests {
			args[test.Arg] = test.Value
		}
		compare(r.Nr, args)
		for _, test := range r.Tests {
			args[test.Arg] ^= test.Mask & -test.Mask
			compare(r.Nr, args)
		}
	}
}

func TestOCIImport(t *testing.T) {
	text, notes, err := seccomp.ImportOCI([]byte(`{
		"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
		"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"],
		"syscalls": [
			{"names": ["read", "open", "mount", "execve", "no_such_call", "arch_prctl"], "action": "SCMP_ACT_ALLOW"},
			{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]},
			{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]},
			{"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
			{"names": ["lseek"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 2, "value": 4, "op": "SCMP_CMP_LT"}]},
			{"names": ["dup3"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 5, "op": "SCMP_CMP_GT"}]},
			{"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
			{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]},
			{"names": ["uname"], "action": "SCMP_ACT_LOG"},
			{"names": ["sync"], "action": "SCMP_ACT_KILL"}
		]}`))
	if err != nil {
		t.Fatal(err)
	}
	const want = `# Imported from an OCI seccomp profile.

arch amd64 arm64 { read }
arch amd64 { open }
arch amd64 { arch_prctl }
arch amd64 arm64 { clone3: return ENOSYS }
arch amd64 arm64 { clone: arg0 & 0x7e020000 == 0x0 }
arch amd64 arm64 { socket: arg0 != 0x28 }
arch amd64 arm64 { lseek: arg2 & ~0x3 == 0 }
`
	if text != want {
		t.Errorf("got\n%s", text)
	}
	said := strings.Join(notes, "\n")
	for _, w := range []string{
		"architectures[1]: SCMP_ARCH_X86 is left out", "mount: no profile may have it", "execve: the launch admits one exec",
		"no_such_call: no call of amd64, arm64 has that name", "personality: no conditions on personality", "dup3: arg0: SCMP_CMP_GT is a range",
		"SCMP_ACT_LOG: there is no such verdict", "syscalls[7]: left out: read:",
	} {
		if !strings.Contains(said, w) {
			t.Errorf("no %q in\n%s", w, said)
		}
	}
	if _, err := seccomp.Parse("p", files("p", text)); err != nil {
		t.Error(err)
	}
}

func TestOCIImportRefuses(t *testing.T) {
	for in, want := range map[string]string{
		``:                                   "EOF",
		`{`:                                  "unexpected EOF",
		"{\n  \"defaultAction\": 3}":         "line 2, column",
		"{\n\n x}":                           "line 3, column",
		`{"defaultAction":"SCMP_ACT_ALLOW"}`: "it admits what it does not name",
		`{"defaultAction":"SCMP_ACT_ERRNO"}`: "nothing is left",
		`{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_S390"]}`:                           "none of amd64, arm64, arm",
		`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]} {}`: "something follows",
		`{"archMap":[]}`: "archMap",
	} {
		if _, _, err := seccomp.ImportOCI([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}

func TestOCIExportIsWhatRuntimesRead(t *testing.T) {
	b := bind(t, seccomp.AMD64, nil, "read\nwrite\nclone3: return ENOSYS\nclose: arg0 in {1, 2}; return EBADF\narch amd64 arm64 { msgrcv: arg3 == -5 }\nstart { openat }")
	text, notes, err := b.ExportOCI()
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	const golden = `{"defaultAction":"SCMP_ACT_KILL_PROCESS","architectures":["SCMP_ARCH_X86_64"],"syscalls":[
		{"names":["openat","read","write"],"action":"SCMP_ACT_ALLOW"},
		{"names":["clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":38},
		{"names":["close"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":4294967295,"valueTwo":1,"op":"SCMP_CMP_MASKED_EQ"}]},
		{"names":["close"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":4294967295,"valueTwo":2,"op":"SCMP_CMP_MASKED_EQ"}]},
		{"names":["msgrcv"],"action":"SCMP_ACT_ALLOW","args":[{"index":3,"value":18446744073709551611,"op":"SCMP_CMP_EQ"}]}]}`
	if err := json.Unmarshal([]byte(golden), &want); err != nil {
		t.Fatal(err)
	}
	w, _ := json.Marshal(want)
	if g, _ := json.Marshal(got); string(g) != string(w) {
		t.Errorf("got %s\nwant %s", g, w)
	}
	if said := strings.Join(notes, "; "); !strings.Contains(said, "openat: what the start block says") || !strings.Contains(said, "close: what it does not admit kills the process instead of failing with EBADF") {
		t.Error(said)
	}
}
