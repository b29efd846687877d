package differential_test

import (
	"fmt"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"sallyport/internal/queuemodel"
	"sallyport/internal/testenv"
	"sallyport/tests/results"
)

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	must(t, err)
	return n
}

// The programs are numbered from SEED on, so that one of N that failed can be
// run again alone. RESUME goes on behind the last run that RESULTS has of SEED.
func TestProgramsAgainstModel(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	seed, n := number(t, "SEED", uint64(time.Now().UnixNano())), number(t, "N", 300)
	file, from := os.Getenv("RESULTS"), uint64(0)
	if os.Getenv("RESUME") != "" {
		from = resume(t, file, seed)
	}
	t.Logf("SEED=%d N=%d from program %d", seed, n, from)
	c := newCast(t)
	var sum counts
	began, said := time.Now(), time.Now()
	for i := from; i < from+n; i++ {
		if err := c.runProgram(queuemodel.Linux, seed+i, &sum); err != nil {
			t.Fatalf("program %d, again with SEED=%d N=1:\n%v", i, seed+i, err)
		}
		if time.Since(said) > time.Minute {
			said = time.Now()
			t.Logf("program %d after %v", i, time.Since(began).Round(time.Second))
		}
	}
	t.Logf("%d programs, %d calls, %d of them waited, %d woken by others, at most %d states at once, %v: no difference",
		n, sum.calls, sum.waits, sum.woken, sum.states, time.Since(began).Round(time.Millisecond))
	if n >= 100 && (sum.waits == 0 || sum.woken == 0 || sum.states < 2) {
		t.Error("the programs did nothing worth comparing")
	}
	if file == "" || t.Failed() {
		return
	}
	r := results.New(fmt.Sprintf("make diff-sysvctl N=%d SEED=%d", n, seed), began)
	for _, l := range []struct {
		key   string
		value any
	}{
		{"seed", seed}, {"from", from}, {"next", from + n}, {"programs", n}, {"calls", sum.calls}, {"waited", sum.waits},
		{"woken", sum.woken}, {"states", sum.states}, {"differences", 0},
	} {
		r.Add(l.key, l.value)
	}
	must(t, results.Append(file, r))
}

func resume(t *testing.T, file string, seed uint64) (from uint64) {
	t.Helper()
	runs, err := results.Read(file)
	must(t, err)
	for _, r := range runs {
		if r.Value("seed") == fmt.Sprint(seed) && r.Value("next") != "" {
			from, err = strconv.ParseUint(r.Value("next"), 10, 64)
			must(t, err)
		}
	}
	return from
}

// The comparison finds every departure that the model knows, within this many programs.
const enough = 3000

func TestEveryDepartureIsFound(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	seed := number(t, "SEED", uint64(time.Now().UnixNano()))
	t.Logf("SEED=%d", seed)
	c := newCast(t)
	kind := reflect.TypeFor[queuemodel.Rules]()
	for i := range kind.NumField() {
		name := kind.Field(i).Name
		var rules queuemodel.Rules
		reflect.ValueOf(&rules).Elem().Field(i).SetBool(true)
		var sum counts
		found := false
		for n := range uint64(enough) {
			if err := c.runProgram(rules, seed+n, &sum); err != nil {
				t.Logf("%s: found by program %d", name, n+1)
				found = true
				break
			}
		}
		if !found {
			t.Errorf("%s: %d programs did not find it", name, enough)
		}
	}
}
