package tracer

import (
	"memtrace/tracer/live"
	"memtrace/tracer/report"
	"memtrace/tracer/sample"
)

// estimate adds what windows showed of a process. The caller holds the lock.
func (f *found) estimate(t *Tracer, p *process) {
	snap := p.sample.Snapshot(f.end.mono)
	f.sampling = t.sampling(p, &snap, f.end)
	for i := range snap.Estimates {
		e := &snap.Estimates[i]
		r := t.reportStack(report.Heap, live.Stack{ID: e.ID})
		r.Estimate = reportEstimate(e)
		f.stacks = append(f.stacks, r)
	}
}

func reportEstimate(e *sample.Estimate) *report.Estimate {
	return &report.Estimate{
		Class:                string(e.Class),
		Confidence:           e.Confidence,
		LeakBytesPerSecond:   report.Bounds(e.BytesPerSecond),
		LeakBlocksPerSecond:  report.Bounds(e.BlocksPerSecond),
		Survivors:            sum(e.Survivors, live.Sum{}),
		SurvivorWindows:      e.Windows,
		Active:               sum(e.Active, live.Sum{}),
		Young:                sum(e.Young, live.Sum{}),
		AllocationsPerSecond: e.AllocatedPerSecond,
		Survival:             e.Survival,
		OldestSeconds:        e.Oldest.Seconds(),
	}
}

// sampling says what the estimates rest on. The caller holds the lock.
func (t *Tracer) sampling(p *process, s *sample.Snapshot, end moment) *report.Sampling {
	spent := t.sampler.spent
	run := float64(end.mono - t.start.mono)
	r := &report.Sampling{
		SinceSeconds:    float64(t.windowsSince.mono-t.start.mono) / 1e9,
		Windows:         s.Windows,
		TracedSeconds:   s.Traced.Seconds(),
		Dropped:         s.Counters.Dropped,
		MaxOverhead:     t.cfg.MaxOverhead,
		MaturitySeconds: s.Maturity.Seconds(),
		Candidates:      s.Counters.Candidates,
		Freed:           s.Counters.Freed,
		Reused:          s.Counters.Reused,
		FoundFree:       s.Counters.FoundFree,
		Checked:         p.malloc.canCheck(),
		Pace:            1,
	}
	if run > 0 {
		r.Overhead = (float64(spent.stalled) + float64(spent.own)/max(spent.threads, 1)) / run
	}
	if spent.watched > 0 {
		r.Pace = 1 - float64(spent.slowed)/float64(spent.watched)
	}
	return r
}
