package scmp_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"sallyport/internal/seccomp"
	"sallyport/internal/seccomp/scmp"
	"sallyport/policy"
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

// Random calls get the model's verdict from the compiled program, N of them for
// each profile and architecture: a second opinion on the classes of Verify. Half
// of them begin with the arguments that some rule admits, so that no verdict is
// rare; the others lie at or beside the constants of the program, or anywhere.
func TestRolesAgreeOnRandomCalls(t *testing.T) {
	n := fromEnv(t, "N", 10_000)
	seed := fromEnv(t, "SEED", uint64(time.Now().UnixNano()))
	t.Log("SEED=", seed)
	begin := time.Now()
	verdicts := make(map[string]uint64)
	for i, name := range policy.Roles {
		for j, a := range seccomp.Archs {
			rng := rand.New(rand.NewPCG(seed, uint64(i*8+j)))
			b := role(t, name, a)
			p := compile(t, b)
			run, err := p.Runner()
			if err != nil {
				t.Fatal(err)
			}
			draw := nearRules(rng, b, calls(rng, p))
			for range n {
				nr, args := draw()
				got, err := run(nr, args)
				if want := b.Filter(nr, args); err != nil || got != want {
					t.Fatalf("%s on %s: %s: %v (%v), want %v", name, a, seccomp.Describe(a, nr, args), got, err, want)
				}
				verdicts[got.String()]++
			}
		}
	}
	pairs := uint64(len(policy.Roles) * len(seccomp.Archs))
	t.Logf("%d calls for each of %d profiles and architectures in %v: %v", n, pairs, time.Since(begin).Round(time.Millisecond), verdicts)
	for _, verdict := range []string{"allow", "notify", "kill", "errno ENOSYS"} {
		if n >= 1000 && verdicts[verdict] < n/10 {
			t.Errorf("verdict %s came %d times: the calls are badly drawn", verdict, verdicts[verdict])
		}
	}
	file := os.Getenv("RESULTS")
	if file == "" {
		return
	}
	r := results.New(fmt.Sprintf("make verify-random N=%d SEED=%d", n, seed), begin)
	r.Add("libseccomp", scmp.Version())
	r.Add("pairs", pairs)
	r.Add("each", n)
	r.Add("evaluations", n*pairs)
	r.Add("verdicts", verdicts)
	r.Add("different", 0)
	if err := results.Append(file, r); err != nil {
		t.Fatal(err)
	}
}

// nearRules takes a rule in half of its draws and changes one word of its
// arguments in half of these.
func nearRules(rng *rand.Rand, b *seccomp.Bound, other func() (uint32, [6]uint64)) func() (uint32, [6]uint64) {
	rules := b.Rules()
	return func() (uint32, [6]uint64) {
		nr, args := other()
		if rng.IntN(2) == 0 {
			return nr, args
		}
		r := rules[rng.IntN(len(rules))]
		for _, test := range r.Tests {
			args[test.Arg] = args[test.Arg]&^test.Mask | test.Value
		}
		if rng.IntN(2) == 0 && len(r.Tests) > 0 {
			test := r.Tests[rng.IntN(len(r.Tests))]
			args[test.Arg] ^= 1 << rng.IntN(64)
		}
		return r.Nr, args
	}
}
