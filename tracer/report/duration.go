package report

import (
	"fmt"
	"math"
)

// Duration writes a time to come, in seconds, in two units at most and no more precisely than
// a forecast can be.
func Duration(s float64) string {
	const minute, hour, day, year = 60, 3600, 86400, 365.25 * 86400
	// two writes s as a whole number of large units and of small ones, of which it keeps steps.
	two := func(large float64, name string, small float64, of string, steps float64) string {
		n := math.Round(s/(small*steps)) * steps
		whole := math.Floor(n / (large / small))
		if n -= whole * (large / small); n == 0 {
			return fmt.Sprintf("%.0f %s", whole, name)
		}
		return fmt.Sprintf("%.0f %s %.0f %s", whole, name, n, of)
	}
	switch {
	case math.IsNaN(s) || s < 0:
		return "unknown"
	case s < 1:
		return "less than a second"
	case s < minute-0.5:
		return fmt.Sprintf("%.0f s", s)
	case s < 10*minute-5:
		return two(minute, "min", 1, "s", 10)
	case s < hour-30:
		return fmt.Sprintf("%.0f min", s/minute)
	case s < 10*hour-300:
		return two(hour, "h", minute, "min", 10)
	case s < day-1800:
		return fmt.Sprintf("%.0f h", s/hour)
	case s < 10*day-1800:
		return two(day, "d", hour, "h", 1)
	case s < 2*year:
		return fmt.Sprintf("%.0f d", s/day)
	case s <= 10*year:
		return fmt.Sprintf("%.0f years", s/year)
	}
	return "more than 10 years"
}
