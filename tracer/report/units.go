package report

// Units are hand-written because go-humanize and go-units round otherwise (1024 KiB for
// what is 1.0 MiB here) and have no rates and no shares (docs/LIBRARIES.md).

import (
	"fmt"
	"math"
	"strconv"
)

// Count writes n with thousands separators.
func Count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Counted writes n and what it counts, one or many of that.
func Counted(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// counted is Counted for a noun with a plural s.
func counted(n uint64, noun string) string { return Counted(n, noun, noun+"s") }

// exactBytes writes n to the byte, and from 1 KiB on in a binary unit too: people compare the
// first with ledgers and read the second.
func exactBytes(n uint64) string {
	exact := Count(n) + " B"
	if n < 1<<10 {
		return exact
	}
	return exact + " (" + Size(n) + ")"
}

// Size writes n bytes in the largest binary unit that leaves at least 1 before
// the point, with one decimal.
func Size(n uint64) string { return humanBytes(float64(n)) }

// humanBytes writes n with one decimal in the unit that fits it.
func humanBytes(n float64) string {
	u := unitFor(n)
	switch {
	case u.size == 1:
		return fmt.Sprintf("%.0f B", n)
	case n/u.size >= 1<<10-0.05:
		return ">1024 " + u.name
	}
	return fmt.Sprintf("%.1f %s", n/u.size, u.name)
}

// unit is a binary unit of size bytes.
type unit struct {
	name string
	size float64
}

// unitFor returns the largest unit that leaves at least 1 before the point of n bytes.
func unitFor(n float64) unit {
	const prefixes = "KMGTPE"
	u := unit{"B", 1}
	if math.Round(n) < 1<<10 {
		return u
	}
	for i := range prefixes {
		u = unit{prefixes[i:i+1] + "iB", u.size * (1 << 10)}
		// Stop early: 1023.95 would round up to 1024.0 of this unit.
		if n/u.size < 1<<10-0.05 {
			break
		}
	}
	return u
}

// share writes part as a percentage of whole. Only the whole is 100 % and only nothing is 0 %:
// rounding does not turn other values into them.
func share(part, whole uint64) string {
	switch {
	case part == whole:
		return percent(1)
	case part > whole:
		return ">100 %"
	}
	f := float64(part) / float64(whole)
	// Two different values of more than 53 bits may still divide to 1.
	return percent(min(f, math.Nextafter(1, 0)))
}

// Percent writes f, where 1 is 100 %, with one decimal. Only the whole is 100 % and only nothing is
// 0 %.
func Percent(f float64) string { return percent(f) }

// percent writes f, where 1 is 100 %, with one decimal; see share.
func percent(f float64) string {
	switch {
	case math.IsNaN(f) || f < 0:
		return "unknown"
	case f == 0:
		return "0 %"
	case f == 1:
		return "100 %"
	case f > 1:
		return ">100 %"
	case f < 0.001:
		return "<0.1 %"
	case f > 0.999:
		return ">99.9 %"
	}
	return fmt.Sprintf("%.1f %%", 100*f)
}

// Seconds writes a time of s seconds in units that suit its magnitude.
func Seconds(s float64) string {
	const minute, hour, day = 60, 3600, 86400
	switch {
	case math.IsNaN(s) || s < 0:
		return "unknown"
	case s == 0:
		return "0 s"
	case s < 0.001:
		return "<1 ms"
	case s < 0.9995:
		return fmt.Sprintf("%.0f ms", 1000*s)
	case s < minute-0.05:
		return fmt.Sprintf("%.1f s", s)
	case s < hour-0.5:
		n := int(math.Round(s))
		return fmt.Sprintf("%d min %d s", n/minute, n%minute)
	case s < day-30:
		n := int(math.Round(s / minute))
		return fmt.Sprintf("%d h %d min", n/60, n%60)
	case s < 10000*day:
		n := int(math.Round(s / hour))
		return fmt.Sprintf("%d d %d h", n/24, n%24)
	}
	return ">10000 d"
}

// growth puts a slope in bytes per second into words. The slope is steady where it would
// change the outstanding bytes by less than a thousandth over the whole traced time: that is
// the noise of a slope fitted to samples.
func growth(rate float64, outstanding uint64, traced float64) string {
	if math.IsNaN(rate) {
		return "growth unknown"
	}
	if rate == 0 || traced > 0 && math.Abs(rate)*traced < float64(outstanding)/1000 {
		return "steady"
	}
	word := "growing "
	if rate < 0 {
		word, rate = "shrinking ", -rate
	}
	return word + Rate(rate)
}

// Rate writes bytes per second, minute or hour, whichever makes the figure readable.
func Rate(rate float64) string {
	switch p := periodFor(rate); {
	case rate < 0:
		return "-" + Rate(-rate)
	case rate == 0:
		return "0 B/s"
	case !(rate*p.seconds >= 1): // also true for NaN
		return "<1 B" + p.name
	default:
		return humanBytes(rate*p.seconds) + p.name
	}
}

// period is the time that a rate is given for.
type period struct {
	name    string
	seconds float64
}

func periodFor(rate float64) period {
	switch {
	case rate >= 1<<10:
		return period{"/s", 1}
	case rate*60 >= 1:
		return period{"/min", 60}
	}
	return period{"/h", 3600}
}

// RateWithin writes an estimated rate and the bounds that hold the true one, given in bytes
// per second. All use the same unit, so that they compare at a glance.
func RateWithin(value, low, high float64) string {
	by := value
	if !(by > 0) {
		by = high
	}
	p := periodFor(by)
	u := unitFor(by * p.seconds)
	figure := func(rate float64) string {
		switch n := rate * p.seconds / u.size; {
		case !(n > 0):
			return "0"
		case n > math.MaxInt64:
			return "very many"
		case u.size == 1 && n < 0.5:
			return "<1"
		case u.size == 1 || n >= 1<<10-0.05:
			return Count(uint64(math.Round(n)))
		case n < 0.05:
			return "<0.1"
		default:
			return fmt.Sprintf("%.1f", n)
		}
	}
	return fmt.Sprintf("~%s %s%s [%s - %s]", figure(value), u.name, p.name, figure(low), figure(high))
}
