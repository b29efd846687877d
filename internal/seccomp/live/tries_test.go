package live_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"sallyport/internal/seccomp"
	"sallyport/tests/results"
)

func fromEnv(t *testing.T, name string, or uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return or
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%s: %v", name, text, err)
	}
	return n
}

// TestTries really makes N random calls with six random arguments under
// sensor-read, of those that the profile does not admit. None gets through: each
// fails as the filter says, or ends its process.
func TestTries(t *testing.T) {
	n := fromEnv(t, "N", 20_000)
	seed := fromEnv(t, "SEED", uint64(time.Now().UnixNano()))
	t.Log("SEED=", seed)
	begin := time.Now()
	b, program := filterOf(t, "sensor-read")
	draw := tries(rand.New(rand.NewPCG(seed, 6)), b, program)
	count := make(map[string]uint64)
	var escapes, known, admitted uint64
	for made := uint64(0); made < n; {
		var calls []call
		var want []seccomp.FilterVerdict
		for len(calls) < int(min(50_000, n-made)) {
			c := draw()
			v := b.Filter(uint32(c.Nr), c.Args)
			if v == seccomp.FilterAllow {
				admitted++
				continue
			}
			calls, want = append(calls, c), append(want, v)
		}
		made += uint64(len(calls))
		for i, r := range makeCalls(t, program, calls) {
			count[want[i].String()]++
			switch wrong := judge(calls[i], r, want[i]); {
			case wrong == "":
			case unfiltered(calls[i]):
				known++
			default:
				escapes++
				t.Error(wrong)
			}
		}
	}
	t.Logf("%d tries in %v: %v; %d of 335 and 336, which filters do not stop; %d drawn that the profile admits", n, time.Since(begin).Round(time.Millisecond), count, known, admitted)
	if file := os.Getenv("RESULTS"); file != "" {
		r := results.New(fmt.Sprintf("make tries N=%d SEED=%d", n, seed), begin)
		r.Add("profile", "sensor-read")
		r.Add("tries", n)
		r.Add("expected", count)
		r.Add("escapes", escapes)
		r.Add("uretprobe_and_uprobe", known)
		r.Add("admitted_and_not_made", admitted)
		if err := results.Append(file, r); err != nil {
			t.Fatal(err)
		}
	}
}

// tries draws calls: any number up to 600 most of the time, else those of x32 or
// none at all; arguments that are zero, small, random, negative, or beside a
// constant of the program, with high halves of their own.
func tries(rng *rand.Rand, b *seccomp.Bound, program *seccomp.Program) func() call {
	var constants []uint32
	for i := 0; i < len(program.BPF); i += 8 {
		constants = append(constants, binary.LittleEndian.Uint32(program.BPF[i+4:]))
	}
	word := func() uint64 {
		switch rng.IntN(6) {
		case 0:
			return 0
		case 1:
			return uint64(rng.IntN(16))
		case 2:
			return rng.Uint64()
		case 3:
			return -uint64(rng.IntN(256))
		case 4:
			return uint64(rng.Uint32())
		}
		return uint64(constants[rng.IntN(len(constants))] + uint32(rng.IntN(3)) - 1)
	}
	return func() (c call) {
		switch rng.IntN(100) {
		case 0:
			c.Nr = uint64(rng.IntN(600)) | 0x40000000
		case 1:
			c.Nr = uint64(rng.Uint32())
		default:
			c.Nr = uint64(rng.IntN(601))
		}
		for i := range c.Args {
			c.Args[i] = word()
			if rng.IntN(3) == 0 {
				c.Args[i] = c.Args[i]&0xffffffff | word()<<32
			}
		}
		return c
	}
}
