package device_test

import (
	"errors"
	"math"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/device"
	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

// exampleDevices are those of the example, opened on this machine.
func exampleDevices(t *testing.T) []config.Device {
	t.Helper()
	const path = "../../examples/sensor-logger/sensor-logger.hcl"
	src, err := os.ReadFile(path)
	must(t, err)
	c, err := config.Parse(path, src)
	must(t, err)
	return c.Devices
}

func TestOpenExampleHere(t *testing.T) {
	testenv.CheckFDs(t)
	for _, conf := range exampleDevices(t) {
		d, err := device.Open(conf, device.Options{})
		if errors.Is(err, device.ErrAbsent) && conf.Optional {
			t.Logf("%v", err)
			continue
		}
		must(t, err)
		o := d.Opened()[0]
		flags, err := unix.FcntlInt(o.File.Fd(), unix.F_GETFL, 0)
		must(t, err)
		cloexec, err := unix.FcntlInt(o.File.Fd(), unix.F_GETFD, 0)
		must(t, err)
		access := map[int]scmrights.Access{unix.O_RDONLY: scmrights.AccessRead, unix.O_WRONLY: scmrights.AccessWrite}[flags&unix.O_ACCMODE]
		if access != o.Access || flags&unix.O_ACCMODE == unix.O_RDWR || cloexec&unix.FD_CLOEXEC == 0 || flags&unix.O_NONBLOCK != 0 {
			t.Errorf("%s: flags %#x, fd flags %#x, access %s", conf.Name, flags, cloexec, o.Access)
		}
		if !conf.Output {
			v := value(t, o)
			t.Logf("%s = %v %s", o.Name, v, o.Sensors[0].Unit)
			if conf.Name == "mem" && v < 1000 {
				t.Errorf("mem = %v", v)
			}
		}
		must(t, d.Close())
	}
}

func TestSimInput(t *testing.T) {
	testenv.CheckFDs(t)
	conf := config.Device{Name: "fridge", Kind: "sim", Unit: "C", Pos: pos,
		Sim: &config.Sim{Wave: "pulse", Period: 10 * time.Second, After: 2 * time.Second, For: 3 * time.Second, Min: 4, Max: 9}}
	d, err := device.Open(conf, device.Options{})
	must(t, err)
	defer d.Close()
	o := d.Opened()[0]
	if o.Kind != scmrights.KindAttribute || o.Sensors[0] != (device.Sensor{Name: "fridge", Unit: "C", Decode: "raw"}) {
		t.Errorf("%+v", o)
	}
	if v := value(t, o); v != 4 {
		t.Errorf("before the first step: %v", v)
	}
	begin := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for after, want := range map[time.Duration]float64{0: 4, 1999: 4, 2000: 9, 4999: 9, 5000: 4, 9999: 4, 11999: 4, 12000: 9, 3600_003_000: 9} {
		must(t, d.Step(begin)) // the first one sets the origin
		must(t, d.Step(begin.Add(after*time.Millisecond)))
		if v := value(t, o); v != want {
			t.Errorf("after %d ms: %v, want %v", after, v, want)
		}
	}
	var st unix.Stat_t
	must(t, unix.Fstat(int(o.File.Fd()), &st))
	if st.Size != 16 || st.Mode&0o7777 != 0o600 {
		t.Errorf("size %d, mode %o", st.Size, st.Mode)
	}
	if _, err := o.File.WriteAt([]byte("5"), 0); err == nil {
		t.Error("a worker can write to an input")
	}
	fresh, err := d.Reopen("fridge")
	must(t, err)
	if v := value(t, fresh); v != 9 && v != 4 {
		t.Errorf("opened anew: %v", v)
	}
	must(t, d.SetSafe())
	if _, err := d.Value(); err == nil {
		t.Error("an input has a value of an output")
	}
}

func TestSimWaves(t *testing.T) {
	for _, tc := range []struct {
		wave string
		ms   time.Duration
		want float64
	}{{"sine", 0, 0}, {"sine", 250, 10}, {"sine", 750, -10}, {"sine", 1250, 10}, {"square", 0, -10}, {"square", 499, -10}, {"square", 500, 10}, {"square", -1, 10}, {"sine", -250, -10}} {
		d, err := device.Open(config.Device{Name: "s", Kind: "sim", Sim: &config.Sim{Wave: tc.wave, Period: time.Second, Min: -10, Max: 10}}, device.Options{})
		must(t, err)
		begin := time.Now()
		must(t, d.Step(begin))
		must(t, d.Step(begin.Add(tc.ms*time.Millisecond)))
		if v := value(t, d.Opened()[0]); math.Abs(v-tc.want) > 1e-3 {
			t.Errorf("%s after %d ms: %v, want %v", tc.wave, tc.ms, v, tc.want)
		}
		must(t, d.Close())
	}
	for _, v := range []float64{-1e9, 1e9} { // the bounds of the configuration fit
		conf := config.Device{Name: "s", Kind: "sim", Sim: &config.Sim{Wave: "square", Period: time.Second, Min: v, Max: v}}
		d, err := device.Open(conf, device.Options{})
		must(t, err)
		if got := value(t, d.Opened()[0]); got != v {
			t.Errorf("%v, want %v", got, v)
		}
		must(t, d.Close())
	}
}

func TestSimOutput(t *testing.T) {
	testenv.CheckFDs(t)
	d, err := device.Open(config.Device{Name: "lamp", Kind: "sim", Output: true, Safe: 1, Sim: &config.Sim{}, Pos: pos}, device.Options{})
	must(t, err)
	defer d.Close()
	want := func(v int) {
		t.Helper()
		if got, err := d.Value(); err != nil || got != v {
			t.Errorf("value %d, %v; want %d", got, err, v)
		}
	}
	want(1)
	o := d.Opened()[0]
	if o.Kind != scmrights.KindMemfd || o.Access != scmrights.AccessWrite || len(o.Sensors) != 0 {
		t.Errorf("%+v", o)
	}
	_, err = o.File.WriteAt([]byte("0"), 0)
	must(t, err)
	want(0)
	must(t, d.Step(time.Now())) // says nothing about an output
	want(0)
	must(t, d.SetSafe())
	want(1)

	// What a hostile worker can do to it.
	if err := o.File.Truncate(1 << 40); err == nil {
		t.Error("a worker can make it grow")
	}
	if err := o.File.Truncate(0); err == nil {
		t.Error("a worker can empty it")
	}
	if _, err := o.File.WriteAt([]byte("00"), 1); err == nil {
		t.Error("a worker can write beyond its byte")
	}
	if _, err := o.File.ReadAt(make([]byte, 1), 0); err == nil {
		t.Error("a worker can read an output")
	}
	_, err = o.File.WriteAt([]byte("x"), 0)
	must(t, err)
	if v, err := d.Value(); err == nil {
		t.Errorf("rubbish is the value %d", v)
	}
	must(t, d.SetSafe())
	want(1)
}
