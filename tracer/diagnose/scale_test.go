package diagnose

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"memtrace/tracer/book/sample"
	"memtrace/tracer/diagnose/answer"
	"memtrace/tracer/event"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// load is a process that works on requests in one thread and leaks. Times are in seconds.
type load struct {
	// request is the processor time of a request, with so many pairs of calls. After batch
	// requests the process sleeps, if that is not 0, for sleep.
	request, sleep float64
	pairs, batch   int
	// perRequest blocks leak with each request on average, and perSecond by the clock.
	perRequest, perSecond float64
}

// cycle is how long a batch and the sleep after it take without probes, or one request.
func (l *load) cycle() float64 { return float64(max(l.batch, 1))*l.request + l.sleep }

// rate is how many blocks leak in a second.
func (l *load) rate() float64 {
	return l.perRequest*float64(max(l.batch, 1))/l.cycle() + l.perSecond
}

const (
	pairCost = 4e-6 // what a pair of calls costs under probes, of which an allocation is ¾
	leakSize = 200
	leakID   = 7
)

// simulation watches a load.
type simulation struct {
	*load
	r           *rand.Rand
	set         *sample.Set
	now         float64
	done        sample.Effort
	address     uint64
	most, stall float64 // of a window
}

func (s *simulation) ns() uint64 { return uint64(1e9 + s.now*1e9) }

// leak allocates some blocks that stay.
func (s *simulation) leak(mean float64) {
	n := int(mean)
	if s.r.Float64() < mean-float64(n) {
		n++
	}
	for range n {
		s.address += 256
		s.set.Apply(&event.Event{Kind: event.Alloc, Addr: s.address, Size: leakSize, Stack: leakID, Time: s.ns()})
	}
}

// churn makes a pair of calls, and what is done before it.
func (s *simulation) churn(use float64) {
	s.set.Apply(&event.Event{Kind: event.Alloc, Addr: 16, Size: 64, Stack: 1, Time: s.ns()})
	s.set.Apply(&event.Event{Kind: event.Free, Addr: 16, Time: s.ns()})
	s.pass(use, true)
}

// pass lets time pass, at work or not, in which some leaks by the clock.
func (s *simulation) pass(d float64, works bool) {
	s.now += d
	if works {
		s.done.CPU += uint64(d * 1e9)
	}
	s.leak(s.perSecond * d)
}

// window watches until it was open for the planned time, or has cost what it may.
func (s *simulation) window() {
	s.set.Begin(s.ns())
	s.set.Reached(sample.Begun, s.ns(), s.done, true)
	start, cost := s.now, 0.0
	open := func() bool { return s.now-start < s.most && cost < s.stall }
	// It begins somewhere in a cycle.
	request, asleep := 0, 0.0
	if at := s.r.Float64() * s.cycle(); s.batch > 0 && at > float64(s.batch)*s.request {
		asleep = s.cycle() - at
	} else if s.batch > 0 {
		request = int(at / s.request)
	}
	for open() {
		if asleep > 0 {
			d := min(asleep, start+s.most-s.now+1e-9)
			s.pass(d, false)
			asleep -= d
			continue
		}
		for range s.pairs {
			s.churn(s.request/float64(s.pairs) + pairCost)
			if cost += pairCost; !open() {
				break
			}
		}
		s.leak(s.perRequest)
		if request++; s.batch > 0 && request >= s.batch {
			request, asleep = 0, s.sleep
			s.done.Sleeps++
		}
	}
	s.set.Reached(sample.Cut, s.ns(), s.done, true)
	s.set.End(s.ns(), true)
	s.set.Reached(sample.Ended, s.ns(), s.done, true)
}

// pause lets the load run without probes.
func (s *simulation) pause(d float64) {
	cycles := d / s.cycle()
	s.now += d
	s.done.CPU += uint64(cycles * float64(max(s.batch, 1)) * s.request * 1e9)
	if s.batch > 0 {
		s.done.Sleeps += uint64(cycles)
	}
}

// simulate watches a load for a minute.
func (l *load) simulate(seed uint64) *simulation {
	s := &simulation{load: l, r: rand.New(rand.NewPCG(seed, 3)), set: sample.New(sample.Config{}), address: 1 << 20, most: 0.06, stall: 0.005}
	for s.now < 60 {
		s.window()
		s.pause(0.8 + 0.8*s.r.Float64())
	}
	return s
}

// estimate returns what is estimated, with or without what the growth of the heap tells.
func (s *simulation) estimate(grows bool) *report.Estimate {
	l, snap := s.load, s.set.Snapshot(s.ns())
	w := Windows{AllocCost: 3 * time.Microsecond, FreeCost: time.Microsecond, CostDoubt: 0.05}
	// What calibration says is a little wrong.
	off := 1 + 0.04*s.r.NormFloat64()
	w.AllocCost, w.FreeCost = time.Duration(off*float64(w.AllocCost)), time.Duration(off*float64(w.FreeCost))
	r := &report.Report{Mode: report.ModeWindows, DurationSeconds: s.now, Sampling: &report.Sampling{Windows: snap.Windows, WorkScale: w.workScale(&snap.Pace)}}
	if grows {
		bytes := l.rate() * s.now * 208 * (1 + 0.02*s.r.NormFloat64())
		r.MallocSplit = &report.MallocSplit{}
		r.Memory = &report.Memory{Regions: []report.Region{{Class: "brk", GrowthBytes: int64(bytes), GrowthBytesPerSecond: bytes / s.now}}}
	}
	for i := range snap.Estimates {
		if e := &snap.Estimates[i]; e.ID == leakID {
			r.Stacks = append(r.Stacks, report.Stack{ID: "leak", Kind: report.Heap, Estimate: reportEstimate(e)})
		}
	}
	if len(r.Stacks) == 0 {
		return nil
	}
	ev := &answer.Evidence{Report: r, Seconds: s.now}
	ev.Judge()
	return r.Stacks[0].Estimate
}

// Intervals hold the true rate, whether a process leaks by its work or by the clock, and whether it
// works all the time or in bursts of which windows see a part. Where the growth of the heap is known
// estimates are near the truth as well.
func TestEstimatesOfLoads(t *testing.T) {
	testprog.Long(t)
	const runs = 8
	for name, l := range map[string]*load{
		"work, always busy":       {request: 20e-6, pairs: 20, perRequest: 0.2},
		"work, hardly between":    {request: 1e-6, pairs: 20, perRequest: 0.02},
		"work, and sleeps":        {request: 25e-6, pairs: 100, batch: 1, sleep: 2e-3, perRequest: 1},
		"time, always busy":       {request: 1e-6, pairs: 20, perSecond: 500},
		"time, mostly asleep":     {request: 20e-6, pairs: 5, batch: 1, sleep: 5e-3, perSecond: 300},
		"bursts":                  {request: 1e-6, pairs: 30, batch: 500, sleep: 0.1, perRequest: 1},
		"bursts often":            {request: 1e-6, pairs: 30, batch: 50, sleep: 0.01, perRequest: 1},
		"bursts, mostly of work":  {request: 100e-6, pairs: 10, batch: 200, sleep: 0.05, perRequest: 0.3},
		"both, in work and sleep": {request: 25e-6, pairs: 50, batch: 2, sleep: 1e-3, perRequest: 0.2, perSecond: 300},
	} {
		t.Run(name, func(t *testing.T) {
			var loads []*simulation
			for seed := range uint64(runs) {
				loads = append(loads, l.simulate(seed))
			}
			for _, grows := range []bool{false, true} {
				held, made, far := 0, 0, ""
				for _, s := range loads {
					e := s.estimate(grows)
					if e == nil {
						continue
					}
					made++
					truth := l.rate() * leakSize
					b := e.LeakBytesPerSecond
					if b.Low <= truth && truth <= b.High {
						held++
					}
					if ratio := b.Value / truth; grows && math.Abs(math.Log(ratio)) > math.Log(1.5) {
						far += fmt.Sprintf(" %.2f", ratio)
					}
				}
				t.Logf("growth known: %v: %d of %d intervals hold", grows, held, made)
				if made < runs-1 || held < made-1 || far != "" {
					t.Errorf("growth known: %v: %d of %d intervals hold the truth; far off:%s", grows, held, made, far)
				}
			}
		})
	}
}
