package main

import (
	"fmt"
	"strconv"
	"strings"
)

// rule is a limit for one sensor.
type rule struct {
	sensor string
	above  bool // the limit is crossed upwards (">"), else downwards ("<")
	limit  float64
	beyond bool // the last value was beyond it
}

// parseRules reads "fridge > 8" or several such, with commas between them.
func parseRules(text string) ([]*rule, error) {
	var rules []*rule
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		words := strings.Fields(part)
		if len(words) != 3 || words[1] != ">" && words[1] != "<" {
			return nil, fmt.Errorf("%q is no rule; write it as in \"fridge > 8\"", part)
		}
		limit, err := strconv.ParseFloat(words[2], 64)
		if err != nil || limit != limit {
			return nil, fmt.Errorf("%q: %q is no number", part, words[2])
		}
		rules = append(rules, &rule{sensor: words[0], above: words[1] == ">", limit: limit})
	}
	return rules, nil
}

// crossed reports whether value is the first one beyond the limit.
func (r *rule) crossed(sensor string, value float64) bool {
	if sensor != r.sensor {
		return false
	}
	was := r.beyond
	if r.above {
		r.beyond = value > r.limit
	} else {
		r.beyond = value < r.limit
	}
	return r.beyond && !was
}

func (r *rule) text(value float64) string {
	side := "below"
	if r.above {
		side = "above"
	}
	return fmt.Sprintf("%s is %.4g, %s %.4g", r.sensor, value, side, r.limit)
}
