package device_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/device"
	"sallyport/internal/testenv"
)

// left exports a device, over JSON, with duplicates of its descriptors: an exec
// would leave the same numbers.
func left(t *testing.T, d *device.Device) (e device.Estate) {
	t.Helper()
	was, err := d.Export()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(was)
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	if err != nil {
		t.Fatal(err)
	}
	dup := func(n *int) {
		if *n < 0 {
			return
		}
		if *n, err = unix.FcntlInt(uintptr(*n), unix.F_DUPFD, 0); err != nil {
			t.Fatal(err)
		}
	}
	dup(&e.Sim)
	for i := range e.Opened {
		dup(&e.Opened[i].FD)
	}
	return e
}

// TestAdoptFile: the successor has the same open file, also when the file has
// meanwhile another name; a lost one is still lost and can be opened again.
func TestAdoptFile(t *testing.T) {
	testenv.CheckFDs(t)
	path := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(path, []byte("42\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := config.Device{Name: "value", Kind: "file", Path: path}
	old, err := device.Open(conf, device.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	next, err := device.Adopt(conf, left(t, old))
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Error(err)
	}
	buf := make([]byte, 8)
	if n, _ := next.Opened()[0].File.ReadAt(buf, 0); string(buf[:n]) != "42\n" {
		t.Errorf("read %q", buf[:n])
	}
	if _, err := next.Reopen("value"); err == nil {
		t.Fatal("opened again without its name")
	}
	third, err := device.Adopt(conf, left(t, next))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	if o, err := third.Reopen("value"); err != nil || o.Name != "value" {
		t.Errorf("opened again: %v", err)
	}
	for _, d := range []*device.Device{next, third} {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	wrong := device.Estate{Name: "value", Sim: -1, Opened: []device.OpenedEstate{{Name: "value", FD: 0, Ino: 1}}}
	if _, err := device.Adopt(conf, wrong); err == nil {
		t.Error("another file was adopted")
	}
}

// TestAdoptSim: a wave goes on where it was, an output keeps its value.
func TestAdoptSim(t *testing.T) {
	testenv.CheckFDs(t)
	wave := config.Device{Name: "wave", Kind: "sim", Unit: "C", Sim: &config.Sim{Wave: "sine", Period: time.Hour, Max: 3600}}
	lamp := config.Device{Name: "lamp", Kind: "sim", Output: true}
	begin := time.Now()
	for _, conf := range []config.Device{wave, lamp} {
		old, err := device.Open(conf, device.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := old.Step(begin); err != nil {
			t.Fatal(err)
		}
		if conf.Output {
			if _, err := old.Opened()[0].File.WriteAt([]byte("1"), 0); err != nil {
				t.Fatal(err)
			}
		}
		next, err := device.Adopt(conf, left(t, old))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(next.Opened()[0].Sensors, old.Opened()[0].Sensors) || next.Opened()[0].Kind != old.Opened()[0].Kind {
			t.Errorf("%+v, was %+v", next.Opened()[0], old.Opened()[0])
		}
		if err := old.Close(); err != nil {
			t.Error(err)
		}
		if conf.Output {
			if v, err := next.Value(); v != 1 || err != nil {
				t.Errorf("the lamp is %d, %v", v, err)
			}
		} else {
			if err := next.Step(begin.Add(15 * time.Minute)); err != nil {
				t.Error(err)
			}
			buf := make([]byte, 16)
			n, _ := next.Opened()[0].File.ReadAt(buf, 0)
			if string(buf[:n]) != "3600.000       \n" {
				t.Errorf("the wave is at %q after a quarter of its period", buf[:n])
			}
		}
		if err := next.Close(); err != nil {
			t.Error(err)
		}
	}
}
