package seccomp_test

import (
	"bytes"
	"testing"

	"sallyport/internal/seccomp"
	"sallyport/internal/seccomp/pidpin"
)

func TestSelfPIDOpenOrPinned(t *testing.T) {
	const text = "read\ntgkill: arg0 == $self_pid"
	nr := number(t, seccomp.AMD64, "tgkill")
	open := bind(t, seccomp.AMD64, nil, text)
	if d := open.Decide(seccomp.Running, nr, [6]uint64{1}); !open.PIDOpen || d.Action != seccomp.Allow {
		t.Errorf("without a value: open %v, %v", open.PIDOpen, d.Action)
	}
	pinned := bind(t, seccomp.AMD64, seccomp.Vars{"self_pid": {seccomp.PIDTemplate}}, text)
	if d := pinned.Decide(seccomp.Running, nr, [6]uint64{1}); pinned.PIDOpen || d.Action != seccomp.Breach {
		t.Errorf("with the template: open %v, %v", pinned.PIDOpen, d.Action)
	}
}

// Only a comparison is pinned, not a verdict or an offset of the same value.
func TestPinChangesComparisonsOnly(t *testing.T) {
	equal := []byte{0x15, 0, 1, 2, 0xde, 0xc0, 0x11, 0x7a}
	other := []byte{0x06, 0, 0, 0, 0xde, 0xc0, 0x11, 0x7a}
	before := append(bytes.Clone(equal), other...)
	got := pidpin.Pin(before, 0x01020304)
	want := append([]byte{0x15, 0, 1, 2, 4, 3, 2, 1}, other...)
	if !bytes.Equal(got, want) || !bytes.Equal(before[:8], equal) {
		t.Errorf("% x from % x", got, before)
	}
}
