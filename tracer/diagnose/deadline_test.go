package diagnose

import (
	"math"
	"math/rand/v2"
	"testing"

	"memtrace/tracer/process/limits"
	"memtrace/tracer/region"
	"memtrace/tracer/report"
	"memtrace/tracer/trend"
)

func TestDeadline(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	limit := func(value, used uint64) limits.Limit { return limits.Limit{Set: true, Value: value, Used: used} }
	within := func(low, value, high float64) report.Bounds { return report.Bounds{Low: low, Value: value, High: high} }
	resident := growthRates{Resident: within(40<<10, 50<<10, 60<<10)}
	mid := limits.Cgroup{Path: "/a.slice/x", Max: limit(512*mib, 128*mib)}
	swapping, high, root, odd := mid, mid, mid, mid
	swapping.SwapFree = gib
	high.High = limit(256*mib, 256*mib)
	root.Path, odd.Path = "/", "/a\x1b[31m"
	for name, test := range map[string]struct {
		limits limits.Limits
		rates  growthRates
		want   string
	}{
		"cgroup": {
			limits.Limits{Cgroups: []limits.Cgroup{mid}},
			resident,
			"OOM in 2 h 10 min (1 h 50 min to 2 h 40 min): limit 512 MiB of /a.slice/x",
		},
		"root of a container": {
			limits.Limits{Cgroups: []limits.Cgroup{root}},
			resident,
			"OOM in 2 h 10 min (1 h 50 min to 2 h 40 min): limit 512 MiB of the root cgroup",
		},
		"path of an attacker": {
			limits.Limits{Cgroups: []limits.Cgroup{odd}},
			resident,
			`OOM in 2 h 10 min (1 h 50 min to 2 h 40 min): limit 512 MiB of /a\x1b[31m`,
		},
		"swap delays": {
			limits.Limits{Cgroups: []limits.Cgroup{swapping}},
			resident,
			"OOM in 8 h (6 h 40 min to 10 h): limit 512 MiB of /a.slice/x and 1 GiB of swap",
		},
		"over memory.high": {
			limits.Limits{Cgroups: []limits.Cgroup{high}},
			resident,
			"throttled now: memory.high 256 MiB of /a.slice/x",
		},
		"the level above is nearer": {
			limits.Limits{Cgroups: []limits.Cgroup{mid, {Path: "/a.slice", Max: limit(gib, gib-mib)}}},
			growthRates{Resident: within(1<<10, 1<<10, 1<<10)},
			"OOM in 17 min: limit 1 GiB of /a.slice",
		},
		"children fill it too": {
			limits.Limits{Cgroups: []limits.Cgroup{mid}},
			growthRates{Resident: within(mib, mib, mib), Others: within(mib, 2*mib, 3*mib)},
			"OOM in 2 min 10 s (1 min 40 s to 3 min 10 s): limit 512 MiB of /a.slice/x",
		},
		"addresses": {
			limits.Limits{AddressSpace: limit(gib, gib/2)},
			growthRates{Virtual: within(mib, mib, mib)},
			"allocations fail in 8 min 30 s: limit 1 GiB of addresses (RLIMIT_AS)",
		},
		"data": {
			limits.Limits{Data: limit(gib, gib/2)},
			growthRates{Data: within(mib, mib, mib)},
			"allocations fail in 8 min 30 s: limit 1 GiB of data (RLIMIT_DATA)",
		},
		"mappings": {
			limits.Limits{Mappings: limit(65530, 30)},
			growthRates{Mappings: within(0.5, 1, 2)},
			"mmap fails in 18 h (9 h 10 min to 1 d 12 h): 65,530 mappings (vm.max_map_count)",
		},
		"machine": {
			limits.Limits{Machine: limits.Machine{Total: 24 * gib, Available: 12 * gib, SwapFree: 2 * gib}},
			growthRates{Resident: within(mib, mib, mib)},
			"the machine's 24 GiB are full in 3 h 20 min, then 2 GiB of swap",
		},
		"not beyond doubt":   {limits.Limits{Cgroups: []limits.Cgroup{mid}}, growthRates{Resident: within(-1, mib, mib)}, ""},
		"no limit":           {limits.Limits{}, resident, ""},
		"more than ten year": {limits.Limits{Cgroups: []limits.Cgroup{mid}}, growthRates{Resident: within(1, 1, 1)}, ""},
		"nonsense":           {limits.Limits{Cgroups: []limits.Cgroup{mid}}, growthRates{Resident: within(math.NaN(), mib, math.Inf(1))}, ""},
		"no upper bound": {
			limits.Limits{Cgroups: []limits.Cgroup{mid}},
			growthRates{Resident: within(1e-310, mib, 2*mib)},
			"OOM in 6 min 20 s (at least 3 min 10 s): limit 512 MiB of /a.slice/x",
		},
	} {
		got := ""
		if d := deadline(&test.limits, &test.rates); d != nil {
			got = deadlineText(d, &test.limits)
		}
		if got != test.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, test.want)
		}
	}
	if d := deadline(nil, &resident); d != nil {
		t.Errorf("without limits: %+v", d)
	}
}

// TestDeadlineProperties holds what must be so of any limits and rates.
func TestDeadlineProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	anyLimit := func() limits.Limit {
		return limits.Limit{Set: r.IntN(3) > 0, Value: r.Uint64() >> r.IntN(64), Used: r.Uint64() >> r.IntN(64)}
	}
	anyRate := func() report.Bounds {
		low := math.Ldexp(r.Float64()-0.1, r.IntN(80)-40)
		value := low + math.Ldexp(r.Float64(), r.IntN(40)-20)
		return report.Bounds{Low: low, Value: value, High: value + math.Ldexp(r.Float64(), r.IntN(40)-20)}
	}
	found := 0
	for range 20000 {
		l := &limits.Limits{AddressSpace: anyLimit(), Data: anyLimit(), Mappings: anyLimit()}
		l.Machine = limits.Machine{Total: r.Uint64() >> r.IntN(64), Available: r.Uint64() >> r.IntN(64)}
		for range r.IntN(4) {
			l.Cgroups = append(l.Cgroups, limits.Cgroup{Path: "/x", Max: anyLimit(), High: anyLimit(), SwapFree: r.Uint64() >> (1 + r.IntN(63))})
		}
		rates := &growthRates{Resident: anyRate(), Virtual: anyRate(), Data: anyRate(), Mappings: anyRate(), Others: anyRate()}
		want := math.Inf(1)
		reach := func(l limits.Limit, more uint64, rate report.Bounds) {
			if l.Set && rate.Low > 0 {
				want = min(want, (max(0, float64(l.Value)-float64(l.Used))+float64(more))/rate.Value)
			}
		}
		memory := report.Bounds{Value: rates.Resident.Value + rates.Others.Value, Low: rates.Resident.Low + rates.Others.Low}
		for _, c := range l.Cgroups {
			reach(c.Max, c.SwapFree, memory)
			reach(c.High, c.SwapFree, memory)
		}
		reach(l.AddressSpace, 0, rates.Virtual)
		reach(l.Data, 0, rates.Data)
		reach(l.Mappings, 0, rates.Mappings)
		reach(limits.Limit{Set: l.Machine.Total > 0, Value: min(l.Machine.Total, l.Machine.Available)}, 0, memory)
		d := deadline(l, rates)
		if want > furthest {
			if d != nil && d.Seconds.Value < furthest*0.999 {
				t.Fatalf("%+v, want none: the nearest is after %v s", d, want)
			}
			continue
		}
		found++
		if d == nil {
			t.Fatalf("none, want one after %v s of %+v by %+v", want, l, rates)
		}
		s := d.Seconds
		if !(s.Low >= 0 && s.Low <= s.Value && (s.Value <= s.High || s.High == 0)) {
			t.Fatalf("interval %+v", s)
		}
		if math.Abs(s.Value-want) > 1e-6*want+1e-6 {
			t.Fatalf("after %v s, want the nearest, after %v s", s.Value, want)
		}
		if text := deadlineText(d, l); text == "" {
			t.Fatalf("no words for %+v", d)
		}
	}
	if found < 5000 {
		t.Errorf("only %d deadlines", found)
	}
}

// TestRatesOf: what does not grow beyond doubt has no rate, and pages of files are no memory
// in use.
func TestRatesOf(t *testing.T) {
	grows := trend.Fit{Low: 9, Slope: 10, High: 12, Change: 100, Rises: 9, Thirds: [3]float64{1, 2, 3}}
	s := &region.Snapshot{ResidentFit: grows, VirtualFit: grows, MappingsFit: trend.Fit{Low: math.Inf(-1), High: math.Inf(1)}}
	s.End = s.Start.Add(100e9)
	s.Classes[region.File].ResidentGrowth = 500
	want := growthRates{Resident: report.Bounds{Low: 4, Value: 5, High: 7}, Virtual: report.Bounds{Low: 9, Value: 10, High: 12}}
	if got := ratesOf(s); *got != want {
		t.Errorf("rates %+v, want %+v", *got, want)
	}
	if got := ratesOf(nil); *got != (growthRates{}) {
		t.Errorf("rates of nothing: %+v", *got)
	}
}
