package conformance_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sallyport/internal/testenv"
	"sallyport/pkg/sysvctl"
)

// Programs that nobody of this project wrote, against queues of pkg/sysvctl and
// the other way round.

func client(t *testing.T, name string, arg ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	testenv.Need(t, "the command "+name, err)
	cmd := exec.Command(path, arg...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, arg, err, out)
	}
	return string(out)
}

func TestIpcsShowsOurQueue(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q, err := sysvctl.Create(0x5a11, sysvctl.Options{Mode: 0o624})
	must(t, err)
	send(t, q, 1, "12345")
	out := client(t, "ipcs", "-q")
	if !regexp.MustCompile(`(?m)^0x00005a11\s+0\s+root\s+624\s+5\s+1\s*$`).MatchString(out) {
		t.Errorf("ipcs -q:\n%s", out)
	}
	detail := client(t, "ipcs", "-q", "-i", fmt.Sprint(q.ID()))
	for _, want := range []string{"mode=0624", "cbytes=5", "qbytes=16384", "qnum=1", fmt.Sprintf("lspid=%d", os.Getpid())} {
		if !strings.Contains(detail, want) {
			t.Errorf("ipcs -i: no %s in\n%s", want, detail)
		}
	}
	limits, err := sysvctl.ReadLimits()
	must(t, err)
	for _, n := range []uint64{limits.Queues, limits.Size, limits.QBytes} {
		if !strings.Contains(client(t, "ipcs", "-q", "-l"), fmt.Sprintf("= %d\n", n)) {
			t.Errorf("ipcs -l does not say %d", n)
		}
	}
}

func TestIpcmkMakesAndIpcrmRemoves(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	out := client(t, "ipcmk", "-Q", "-p", "0640")
	made, err := strconv.Atoi(strings.TrimSpace(out[strings.LastIndex(out, ":")+1:]))
	must(t, err)
	q, err := sysvctl.FromID(sysvctl.ID(made), sysvctl.Wanted{})
	must(t, err)
	equal(t, "the mode", stat(t, q).Mode, 0o640)
	roundTripOn(t, q)
	client(t, "ipcrm", "-q", fmt.Sprint(made))
	want(t, q.TrySend(1, nil), sysvctl.ErrRemoved)

	ours, err := sysvctl.Create(0x5a12, sysvctl.Options{})
	must(t, err)
	client(t, "ipcrm", "-Q", "0x5a12")
	_, err = ours.Stat()
	want(t, err, sysvctl.ErrRemoved)
}

func roundTripOn(t *testing.T, q *sysvctl.Queue) {
	t.Helper()
	send(t, q, 3, "there and back")
	takes(t, q, sysvctl.Exactly(3), 3, "there and back")
}

func TestLsipcShowsOurQueue(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q, err := sysvctl.Create(0x5a13, sysvctl.Options{Mode: 0o600})
	must(t, err)
	send(t, q, 1, "123")
	send(t, q, 2, "4567")
	var list map[string][]map[string]any
	must(t, json.Unmarshal([]byte(client(t, "lsipc", "-q", "-J", "-b", "-o", "KEY,ID,PERMS,OWNER,USEDBYTES,MSGS,LSPID")), &list))
	if len(list) != 1 {
		t.Fatalf("%v", list)
	}
	for _, rows := range list {
		if len(rows) != 1 {
			t.Fatalf("%v", rows)
		}
		for name, wanted := range map[string]string{
			"key": "0x00005a13", "id": fmt.Sprint(q.ID()), "perms": "rw-------", "owner": "root",
			"usedbytes": "7", "msgs": "2", "lspid": fmt.Sprint(os.Getpid()),
		} {
			equal(t, name, fmt.Sprint(rows[0][name]), wanted)
		}
	}
	var global struct{ Ipclimits []map[string]any }
	must(t, json.Unmarshal([]byte(client(t, "lsipc", "-g", "-J")), &global))
	for _, row := range global.Ipclimits {
		if row["resource"] == "MSGMNI" {
			equal(t, "queues used of MSGMNI", fmt.Sprint(row["used"]), "1")
		}
	}
}

// Perl's own class, both ways: it answers on the type that it was asked to.
func TestPerlIPCMsg(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	q, err := sysvctl.Create(0x5a14, sysvctl.Options{Mode: 0o600})
	must(t, err)
	if _, err := exec.Command("perl", "-MIPC::Msg", "-e", "1").Output(); err != nil {
		testenv.Need(t, "perl with IPC::Msg", err)
	}
	send(t, q, 1, "a\x00b")
	out := client(t, "perl", "-MIPC::Msg", "-MIPC::SysV=IPC_NOWAIT,IPC_PRIVATE,IPC_CREAT,S_IRUSR,S_IWUSR", "-e", `
my $q = IPC::Msg->new(0x5a14, 0) or die "open: $!";
my $type = $q->rcv(my $text, 256, -5, IPC_NOWAIT) or die "receive: $!";
$q->snd(1000 + $type, scalar reverse $text) or die "send: $!";
$q->set(qbytes => 4096, mode => 0640) or die "set: $!";
my $st = $q->stat or die "stat: $!";
printf "%d %d %o %d\n", $st->qnum, $st->qbytes, $st->mode & 0777, $st->lspid == $$;
my $own = IPC::Msg->new(IPC_PRIVATE, IPC_CREAT | S_IRUSR | S_IWUSR) or die "create: $!";
$own->snd(7, "from perl") or die "send: $!";
print $own->id, "\n";
`)
	var qnum, qbytes, mode, mine, made int
	if _, err := fmt.Sscanf(out, "%d %d %o %d\n%d", &qnum, &qbytes, &mode, &mine, &made); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	if qnum != 1 || qbytes != 4096 || mode != 0o640 || mine != 1 {
		t.Errorf("perl says %q", out)
	}
	takes(t, q, sysvctl.Exactly(1001), 1001, "b\x00a")
	st := stat(t, q)
	if st.QBytes != 4096 || st.Mode != 0o640 {
		t.Errorf("after perl's set: %+v", st)
	}
	theirs, err := sysvctl.FromID(sysvctl.ID(made), sysvctl.Wanted{})
	must(t, err)
	takes(t, theirs, sysvctl.Any(), 7, "from perl")
}

// Python's sysv_ipc (Debian: python3-sysv-ipc), both ways.
func TestPythonSysvIPC(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	python := ""
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(name, "-c", "import sysv_ipc").Run() == nil {
			python = name
			break
		}
	}
	if python == "" {
		t.Skip("needs python3 with sysv_ipc (Debian: python3-sysv-ipc)")
	}
	q, err := sysvctl.Create(0x5a15, sysvctl.Options{Mode: 0o600})
	must(t, err)
	send(t, q, 9, "reading")
	send(t, q, 1, "alert")
	out := client(t, python, "-c", `
import sysv_ipc, os
q = sysv_ipc.MessageQueue(0x5a15)
print(q.current_messages, q.cuid, oct(q.mode))
print(*q.receive(type=-9))
print(*q.receive(type=9, block=False))
try:
    q.receive(block=False)
except sysv_ipc.BusyError:
    print("busy")
q.send(b"from\0python", type=4)
q.max_size = 100
print(q.last_send_pid == os.getpid())
own = sysv_ipc.MessageQueue(0x5a16, sysv_ipc.IPC_CREX, mode=0o600)
own.send("own")
`)
	equal(t, "python says", out, "2 0 0o600\nb'alert' 1\nb'reading' 9\nbusy\nTrue\n")
	takes(t, q, sysvctl.Any(), 4, "from\x00python")
	equal(t, "the size that python set", stat(t, q).QBytes, 100)
	theirs, err := sysvctl.Open(0x5a16, sysvctl.Wanted{})
	must(t, err)
	takes(t, theirs, sysvctl.Any(), 1, "own")
	must(t, theirs.Remove())
	out = client(t, python, "-c", `
import sysv_ipc
try:
    sysv_ipc.MessageQueue(0x5a16)
except sysv_ipc.ExistentialError:
    print("gone")
`)
	equal(t, "after our remove python says", out, "gone\n")
}
