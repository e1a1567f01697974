package diagnose

import (
	"fmt"
	"math"
	"strings"

	"memtrace/tracer/process/limits"
	"memtrace/tracer/region"
	"memtrace/tracer/report"
	"memtrace/tracer/trend"
)

// What a report.Deadline is about.
const (
	limitMax       = "cgroup_max"
	limitHigh      = "cgroup_high"
	limitAS        = "rlimit_as"
	limitData      = "rlimit_data"
	limitMappings  = "max_map_count"
	limitAvailable = "available"
)

// furthest is how far away a limit may be to be worth a word, in seconds: ten years.
const furthest = 10 * 365.25 * 86400

// growthRates are how fast grows what limits hold for, per second, with bounds. What is not
// known is left out.
type growthRates struct {
	// Resident is memory in use without pages of files, Virtual the size of the address
	// space, Data that of private memory that can be written, all in bytes.
	Resident, Virtual, Data report.Bounds
	// Mappings is the number of mappings.
	Mappings report.Bounds
	// Others is growth of other processes that adds to Resident under the limits of cgroups and
	// of the machine, such as children, in bytes. It may be below 0.
	Others report.Bounds
}

// others adds growth of another process.
func (r *growthRates) others(rate float64) {
	o := &r.Others
	*o = report.Bounds{Value: o.Value + rate, Low: o.Low + rate, High: o.High + rate}
}

// ratesOf returns how fast an address space grows, as far as that is beyond doubt. Pages of
// files do not count as memory in use: the kernel takes them back. s may be nil.
func ratesOf(s *region.Snapshot) *growthRates {
	r := new(growthRates)
	if s == nil {
		return r
	}
	bounds := func(fit *trend.Fit) report.Bounds {
		if !fit.Growing() {
			return report.Bounds{}
		}
		return report.Bounds{Value: fit.Slope, Low: fit.Low, High: fit.High}
	}
	r.Resident, r.Virtual = bounds(&s.ResidentFit), bounds(&s.VirtualFit)
	r.Data, r.Mappings = bounds(&s.DataFit), bounds(&s.MappingsFit)
	var files int64
	for _, class := range []region.Class{region.Text, region.Library, region.File} {
		files += s.Classes[class].ResidentGrowth
	}
	if took := s.End.Sub(s.Start).Seconds(); files > 0 && took > 0 && r.Resident.Value > 0 {
		rate := float64(files) / took
		r.Resident.Value = max(r.Resident.Value-rate, 0)
		r.Resident.Low = max(r.Resident.Low-rate, 0)
		r.Resident.High = max(r.Resident.High-rate, 0)
	}
	return r
}

// deadline returns when the nearest limit is reached, nil if nothing grows beyond doubt or
// every limit is far away. All of Seconds is 0 where the limit is reached already. l may be
// nil.
//
// Swap that a cgroup may still use delays its limits, as memory is swapped out then. The
// machine's memory is full before it swaps, so that its swap does not count.
func deadline(l *limits.Limits, rates *growthRates) (nearest *report.Deadline) {
	if l == nil {
		return nil
	}
	reach := func(kind, of string, limit limits.Limit, more uint64, rate report.Bounds) {
		if !limit.Set {
			return
		}
		seconds, ok := secondsUntil(float64(limit.Room())+float64(more), rate)
		if ok && (nearest == nil || seconds.Value < nearest.Seconds.Value) {
			nearest = &report.Deadline{Seconds: seconds, Limit: kind, LimitValue: limit.Value, UsedValue: limit.Used, Of: of}
		}
	}
	memory := report.Bounds{
		Value: rates.Resident.Value + rates.Others.Value,
		Low:   rates.Resident.Low + rates.Others.Low,
		High:  rates.Resident.High + rates.Others.High,
	}
	for i := range l.Cgroups {
		c := &l.Cgroups[i]
		reach(limitMax, c.Path, c.Max, c.SwapFree, memory)
		reach(limitHigh, c.Path, c.High, c.SwapFree, memory)
	}
	reach(limitAS, "", l.AddressSpace, 0, rates.Virtual)
	reach(limitData, "", l.Data, 0, rates.Data)
	reach(limitMappings, "", l.Mappings, 0, rates.Mappings)
	m := &l.Machine
	used := m.Total - min(m.Total, m.Available)
	reach(limitAvailable, "", limits.Limit{Set: m.Total > 0, Value: m.Total, Used: used}, 0, memory)
	return nearest
}

// secondsUntil returns the seconds until there is no more room. ok is false if the growth is not
// beyond doubt, or if that is too far away.
func secondsUntil(room float64, rate report.Bounds) (seconds report.Bounds, ok bool) {
	if !(rate.Low > 0 && rate.Low <= rate.Value && rate.Value <= rate.High) {
		return report.Bounds{}, false
	}
	seconds = report.Bounds{Value: room / rate.Value, Low: room / rate.High, High: room / rate.Low}
	if !(seconds.Value <= furthest) {
		return report.Bounds{}, false
	}
	if math.IsInf(seconds.High, 0) {
		seconds.High = 0
	}
	return seconds, true
}

// deadlineText puts a deadline into words, without a full stop. l is what it was made of.
func deadlineText(d *report.Deadline, l *limits.Limits) string {
	when := "in " + report.Duration(d.Seconds.Value)
	if d.Seconds == (report.Bounds{}) {
		when = "now"
	}
	when += timeInterval(d.Seconds)
	size := wholeSize(d.LimitValue)
	switch d.Limit {
	case limitMax:
		return fmt.Sprintf("OOM %s: limit %s of %s%s", when, size, cgroupName(d.Of), swapText(d, l))
	case limitHigh:
		return fmt.Sprintf("throttled %s: memory.high %s of %s%s", when, size, cgroupName(d.Of), swapText(d, l))
	case limitAS:
		return fmt.Sprintf("allocations fail %s: limit %s of addresses (RLIMIT_AS)", when, size)
	case limitData:
		return fmt.Sprintf("allocations fail %s: limit %s of data (RLIMIT_DATA)", when, size)
	case limitMappings:
		return fmt.Sprintf("mmap fails %s: %s mappings (vm.max_map_count)", when, report.Count(d.LimitValue))
	}
	return fmt.Sprintf("the machine's %s are full %s%s", size, when, swapText(d, l))
}

// timeInterval writes the bounds of a time, unless they do not differ from it in words.
func timeInterval(s report.Bounds) string {
	value, low, high := report.Duration(s.Value), report.Duration(s.Low), report.Duration(s.High)
	switch {
	case low == value && (s.High == 0 || high == value):
		return ""
	case s.High == 0:
		return fmt.Sprintf(" (at least %s)", low)
	}
	return fmt.Sprintf(" (%s to %s)", low, high)
}

// swapText says how much swap delays a deadline or, for the machine, comes after it.
func swapText(d *report.Deadline, l *limits.Limits) string {
	if l == nil {
		return ""
	}
	if d.Limit == limitAvailable {
		if l.Machine.SwapFree > 0 {
			return fmt.Sprintf(", then %s of swap", wholeSize(l.Machine.SwapFree))
		}
		return ""
	}
	for i := range l.Cgroups {
		if c := &l.Cgroups[i]; c.Path == d.Of && c.SwapFree > 0 {
			return fmt.Sprintf(" and %s of swap", wholeSize(c.SwapFree))
		}
	}
	return ""
}

// cgroupName makes the path of a cgroup fit to be shown.
func cgroupName(path string) string {
	if path == "/" { // of a container that sees no more
		return "the root cgroup"
	}
	return report.Escape(path)
}

// wholeSize is report.Size without a fraction that is 0: limits are round figures.
func wholeSize(n uint64) string { return strings.Replace(report.Size(n), ".0 ", " ", 1) }
