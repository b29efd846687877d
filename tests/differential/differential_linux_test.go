package differential_test

import (
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"sallyport/internal/queuemodel"
	"sallyport/internal/testenv"
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
// run again alone.
func TestProgramsAgainstModel(t *testing.T) {
	if !testenv.PrivateIPC(t) {
		return
	}
	seed, n := number(t, "SEED", uint64(time.Now().UnixNano())), number(t, "N", 300)
	t.Logf("SEED=%d N=%d", seed, n)
	c := newCast(t)
	var sum counts
	began, said := time.Now(), time.Now()
	for i := range n {
		if err := c.runProgram(queuemodel.Linux, seed+i, &sum); err != nil {
			t.Fatalf("program %d of %d, again with SEED=%d N=1:\n%v", i+1, n, seed+i, err)
		}
		if time.Since(said) > time.Minute {
			said = time.Now()
			t.Logf("%d programs after %v", i+1, time.Since(began).Round(time.Second))
		}
	}
	t.Logf("%d programs, %d calls, %d of them waited, %d woken by others, at most %d states at once, %v: no difference",
		n, sum.calls, sum.waits, sum.woken, sum.forks, time.Since(began).Round(time.Millisecond))
	if sum.calls == 0 || sum.waits == 0 || sum.woken == 0 {
		t.Error("the programs did nothing worth comparing")
	}
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
