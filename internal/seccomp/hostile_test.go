package seccomp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sallyport/internal/seccomp"
)

// Profiles that are made to be expensive: each ends in a profile or in mistakes
// with positions long before anybody would give up waiting.
func TestHostileProfilesEndSoon(t *testing.T) {
	var many, sets, deep strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&many, "prctl: arg0 == %d && arg1 == %d\n", i, i)
	}
	for i := range 200 {
		fmt.Fprintf(&sets, "fcntl: arg1 in {%d", i)
		for j := range 300 {
			fmt.Fprintf(&sets, ", %d", i*300+j)
		}
		sets.WriteString("}\n")
	}
	deep.WriteString("prctl: ")
	for i := range 15 {
		fmt.Fprintf(&deep, "(arg0 != %d && ", i)
	}
	deep.WriteString("arg1 == 1" + strings.Repeat(")", 15))
	texts := seccomp.Texts{"wide.policy": strings.Repeat("prctl: arg0 != 1\n", 128), "many.policy": many.String(), "sets.policy": sets.String(), "deep.policy": deep.String(),
		"bits.policy":  strings.Repeat("prctl: arg0 & 0xffff != 1 && arg1 & 0xffff != 1\n", 16),
		"lines.policy": strings.Repeat("raed: arg9 == XYZZY\n", 12_000), "typos.policy": strings.Repeat("prctl: arg0 == PR_SET_NAMEE\n", 9_000),
		"comment.policy": "read # " + strings.Repeat("x", 250_000), "line.policy": "read " + strings.Repeat("( ", 100_000)}
	for i := range 20 {
		texts[fmt.Sprintf("chain%d.policy", i)] = fmt.Sprintf("include @chain%d\nread", i+1)
	}
	texts["fan.policy"] = strings.Repeat("include @fan2\n", 15_000) + "read"
	texts["fan2.policy"] = strings.Repeat("include @chain19\n", 15_000) + "write"
	for _, name := range []string{"wide", "many", "sets", "deep", "bits", "lines", "typos", "comment", "line", "chain0", "fan"} {
		begin := time.Now()
		p, err := seccomp.Parse(name, texts)
		parsed := time.Since(begin)
		if err != nil {
			positioned(t, err)
			t.Logf("%s: refused after %v: %.100s", name, parsed.Round(time.Millisecond), err)
			continue
		}
		b, err := p.Bind(seccomp.AMD64, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		bound := time.Since(begin)
		_ = p.Undoes()
		_ = b.Rules()
		_, diffErr := seccomp.Diff(p, p)
		if took := time.Since(begin); took > patience {
			t.Errorf("%s took %v", name, took)
		}
		t.Logf("%s: parsed %v, bound %v, all %v; diff: %v", name, parsed.Round(time.Millisecond), bound.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond), diffErr)
	}
}
