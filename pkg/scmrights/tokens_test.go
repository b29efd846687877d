package scmrights_test

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"sallyport/pkg/scmrights"
)

// TestRingAgainstList: tokens come and are forgotten at random, many of them with
// a start in common, as those of one offer have; the ring knows the same as a
// list of the last 4,096 that came. SEED repeats a run.
func TestRingAgainstList(t *testing.T) {
	const size = 4096
	seed := rand.Uint64()
	if text := os.Getenv("SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	var ring scmrights.Ring
	var came [][16]byte // every token that was added, the oldest first
	known := map[[16]byte]bool{}
	var next [16]byte
	for range 5 * size {
		if random.IntN(100) == 0 || len(came) == 0 {
			binary.LittleEndian.PutUint64(next[:], random.Uint64())
			binary.LittleEndian.PutUint64(next[8:], random.Uint64())
		}
		binary.LittleEndian.PutUint32(next[12:], binary.LittleEndian.Uint32(next[12:])+1)
		token := next
		if len(came) > 0 && random.IntN(8) == 0 {
			token = came[max(0, len(came)-1-random.IntN(2*size))] // perhaps known, perhaps not any more
		}
		if known[token] && random.IntN(2) == 0 {
			ring.Forget(token)
			delete(known, token)
			continue
		}
		if added := ring.Add(token); added == known[token] {
			t.Fatalf("token %x: added %t, known %t", token, added, known[token])
		} else if !added {
			continue
		}
		if len(came) >= size {
			if old := came[len(came)-size]; old != token && !slices.Contains(came[len(came)-size+1:], old) {
				delete(known, old)
			}
		}
		came = append(came, token)
		known[token] = true
	}
	for _, token := range came {
		if ring.Has(token) != known[token] {
			t.Fatalf("token %x: found %t, known %t", token, ring.Has(token), known[token])
		}
	}
}
