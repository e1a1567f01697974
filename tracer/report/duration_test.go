package report

import (
	"math"
	"testing"
)

func TestDuration(t *testing.T) {
	const minute, hour, day, year = 60, 3600, 86400, 365.25 * 86400
	for _, test := range []struct {
		seconds float64
		want    string
	}{
		{0, "less than a second"},
		{0.99, "less than a second"},
		{1, "1 s"},
		{59.4, "59 s"},
		{59.5, "1 min"},
		{94, "1 min 30 s"},
		{119, "2 min"},
		{9*minute + 54, "9 min 50 s"},
		{9*minute + 55, "10 min"},
		{59*minute + 29, "59 min"},
		{59*minute + 30, "1 h"},
		{2*hour + 8*minute, "2 h 10 min"},
		{2*hour + 57*minute, "3 h"},
		{9*hour + 54*minute, "9 h 50 min"},
		{9*hour + 56*minute, "10 h"},
		{23.4 * hour, "23 h"},
		{23.5 * hour, "1 d"},
		{1.5 * day, "1 d 12 h"},
		{2*day - 60, "2 d"},
		{10*day - 1799, "10 d"},
		{400 * day, "400 d"},
		{3 * year, "3 years"},
		{11 * year, "more than 10 years"},
		{math.Inf(1), "more than 10 years"},
		{math.NaN(), "unknown"},
		{-1, "unknown"},
	} {
		if got := Duration(test.seconds); got != test.want {
			t.Errorf("%v s: %q, want %q", test.seconds, got, test.want)
		}
	}
}
