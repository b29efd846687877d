package main

import (
	"strings"
	"testing"
)

func TestRuleCrossed(t *testing.T) {
	for _, tc := range []struct {
		rule   string
		values []float64
		want   string // one letter a value: x crossed
	}{
		{"fridge > 8", []float64{4, 8, 8.1, 9, 8, 8.1}, "..x..x"},
		{"fridge > 8", []float64{9, 9}, "x."},
		{"fridge < -18.5", []float64{-18, -18.5, -19, -20, 0, -19}, "..x..x"},
		{"door > 0", []float64{0, 1, 0, 1}, ".x.x"},
	} {
		rules, err := parseRules(tc.rule)
		if err != nil || len(rules) != 1 {
			t.Fatalf("%q: %v, %v", tc.rule, rules, err)
		}
		var got strings.Builder
		for _, v := range tc.values {
			if rules[0].crossed("other", v) {
				t.Errorf("%q: crossed by another sensor", tc.rule)
			}
			if rules[0].crossed(rules[0].sensor, v) {
				got.WriteByte('x')
			} else {
				got.WriteByte('.')
			}
		}
		if got.String() != tc.want {
			t.Errorf("%q over %v: %s, want %s", tc.rule, tc.values, got.String(), tc.want)
		}
	}
}

func TestParseRules(t *testing.T) {
	for text, want := range map[string]int{"": 0, " , ": 0, "fridge > 8": 1, "fridge > 8, air.temp < 3 ,": 2} {
		if rules, err := parseRules(text); err != nil || len(rules) != want {
			t.Errorf("%q: %d rules, %v; want %d", text, len(rules), err, want)
		}
	}
	for _, text := range []string{"fridge", "fridge >", "fridge>8", "fridge = 8", "fridge >= 8", "fridge > warm", "fridge > NaN", "fridge > 8 C"} {
		if rules, err := parseRules(text); err == nil {
			t.Errorf("%q was taken as %v", text, *rules[0])
		} else if !strings.Contains(err.Error(), `"`) {
			t.Errorf("%q: the error quotes nothing: %v", text, err)
		}
	}
}

func TestRuleText(t *testing.T) {
	for rule, want := range map[string]string{"fridge > 8": "fridge is 9.5, above 8", "fridge < 10": "fridge is 9.5, below 10"} {
		rules, _ := parseRules(rule)
		if got := rules[0].text(9.5); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
