package window

import (
	"math"
	"time"

	"memtrace/tracer/probe"
)

// prices corrects the costs of calls that were calibrated on memtrace itself. In the target probes
// walk deeper stacks with colder caches, and some calls meet more than one of them. What the target
// does between its calls costs processor time too, and is not known. But it is the same in a window
// and in its tail, where allocations meet no probes: the difference is what those cost.
type prices struct {
	calibrated probe.Costs
	windows    int
	// groups has the windows in turn: how much they differ says how certain their sum is.
	groups [8]tried
}

// tried is some windows and their tails.
type tried struct{ window, tail used }

// used is the target's processor time, and the calls in it.
type used struct {
	cpu           float64 // ns
	allocs, frees float64
}

func (u *used) add(p phase) {
	u.plus(used{float64(p.cpu), float64(p.allocs), float64(p.frees)})
}

func (u *used) plus(o used) {
	u.cpu += o.cpu
	u.allocs += o.allocs
	u.frees += o.frees
}

const (
	// priorDoubt is how far calibration is off, as a standard deviation of the factor.
	priorDoubt = 0.5
	// clockError is the error of the target's processor time over a window or a tail, ns, as a
	// standard deviation: the kernel adds to it once in a tick, of 4 ms mostly, while a thread
	// runs on another processor.
	clockError = 1.6e6
	// leastFactor and mostFactor bound the correction. Calibration takes what calls cost in its
	// fastest round, so they hardly cost less elsewhere.
	leastFactor, mostFactor = 0.8, 4
	// unevenness is how far what is between calls differs between windows and tails, as a part
	// of the processor time of windows.
	unevenness = 0.02
)

// add takes what a window and its tail showed.
func (p *prices) add(window, tail phase) {
	if window.allocs+window.frees == 0 || tail.frees == 0 {
		return
	}
	g := &p.groups[p.windows%len(p.groups)]
	p.windows++
	g.window.add(window)
	g.tail.add(tail)
}

// now returns the corrected costs, the factor that they are corrected by, and the part of it by
// which it may be off, as a standard deviation.
func (p *prices) now() (costs probe.Costs, factor, doubt float64) {
	factor, doubt = p.factor()
	scaled := func(d time.Duration) time.Duration { return time.Duration(float64(d) * factor) }
	return probe.Costs{Alloc: scaled(p.calibrated.Alloc), Free: scaled(p.calibrated.Free)}, factor, doubt / factor
}

// factor weighs what windows show with what calibration says, by how certain each is. doubt is its
// standard deviation.
func (p *prices) factor() (factor, doubt float64) {
	factor, doubt = 1, priorDoubt
	all, clock := p.sum(-1), clockError*math.Sqrt(float64(p.windows))
	found, rest, ok := all.solve(p.calibrated)
	if !ok {
		return factor, doubt
	}
	if p.windows >= len(p.groups) {
		ratio := all.window.frees / all.tail.frees
		off := math.Hypot(clock*math.Hypot(1, ratio), unevenness*all.window.cpu) / rest
		off = math.Hypot(off, p.spread())
		weight := priorDoubt * priorDoubt / (priorDoubt*priorDoubt + off*off)
		factor += (found - 1) * weight
		doubt *= math.Sqrt(1 - weight)
	}
	// Calls cannot have cost more than all that the target used.
	cost := all.window.allocs*float64(p.calibrated.Alloc) + all.window.frees*float64(p.calibrated.Free)
	if most := (all.window.cpu + 2*clock) / max(cost, 1); factor > most {
		factor = most
	}
	return min(max(factor, leastFactor), mostFactor), doubt
}

// sum adds up all groups but one.
func (p *prices) sum(without int) (all tried) {
	for i, g := range p.groups {
		if i != without {
			all.window.plus(g.window)
			all.tail.plus(g.tail)
		}
	}
	return all
}

// spread is the standard error of what all groups show, by what is shown without each of them
// (the jackknife).
func (p *prices) spread() float64 {
	var each []float64
	mean := 0.0
	for i := range p.groups {
		some := p.sum(i)
		found, _, ok := some.solve(p.calibrated)
		if !ok {
			return math.Inf(1)
		}
		each = append(each, found)
		mean += found / float64(len(p.groups))
	}
	sum := 0.0
	for _, found := range each {
		sum += (found - mean) * (found - mean)
	}
	return math.Sqrt(sum * float64(len(each)-1) / float64(len(each)))
}

// solve returns the factor k for which, with some time g between a pair of calls and the next,
//
//	cpu of the windows = g * pairs + k * (allocs * alloc + frees * free)
//	cpu of the tails   = g * frees + k * frees * free
//
// and rest, which is what the cpu of windows grows by as k grows by 1 and the tails stay the same.
func (t *tried) solve(costs probe.Costs) (k, rest float64, ok bool) {
	calls := (t.window.allocs + t.window.frees) / 2 // in pairs: some are seen by one end alone
	if calls == 0 || t.tail.frees == 0 {
		return 1, 0, false
	}
	rest = t.window.allocs*float64(costs.Alloc) + (t.window.frees-calls)*float64(costs.Free)
	if rest <= 0 {
		return 1, 0, false
	}
	return (t.window.cpu - t.tail.cpu/t.tail.frees*calls) / rest, rest, true
}
