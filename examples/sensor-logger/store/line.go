package main

import (
	"math"
	"strconv"
	"strings"

	"sallyport/pkg/worker"
)

// timeForm is RFC 3339 with milliseconds; the times are in UTC.
const timeForm = "2006-01-02T15:04:05.000Z07:00"

// appendLine appends one line of the day file: time,sensor,value,unit,seq.
func appendLine(b []byte, it worker.Item) []byte {
	b = it.Time.UTC().AppendFormat(b, timeForm)
	b = append(b, ',')
	b = appendText(b, it.Sensor)
	b = append(b, ',')
	b = appendNumber(b, it.Value)
	b = append(b, ',')
	b = appendText(b, it.Unit)
	b = append(b, ',')
	b = strconv.AppendUint(b, it.Seq, 10)
	return append(b, '\n')
}

// appendNumber writes the shortest decimal that reads back as v, without an
// exponent where people would not write one.
func appendNumber(b []byte, v float64) []byte {
	form := byte('g')
	if abs := math.Abs(v); v == 0 || abs >= 1e-6 && abs < 1e15 {
		form = 'f'
	}
	return strconv.AppendFloat(b, v, form, -1, 64)
}

// appendText quotes what would break the line (RFC 4180): the unit is the
// sender's word, and the sender is not trusted.
func appendText(b []byte, s string) []byte {
	if !strings.ContainsAny(s, ",\"\r\n") {
		return append(b, s...)
	}
	s = strings.NewReplacer(`"`, `""`, "\r", " ", "\n", " ").Replace(s)
	return append(append(append(b, '"'), s...), '"')
}
