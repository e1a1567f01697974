package tracer

import (
	"fmt"

	"memtrace/tracer/live"
	"memtrace/tracer/report"
	"memtrace/tracer/sample"
)

// estimate adds what windows showed of a process. The caller holds the lock.
func (f *found) estimate(t *Tracer, p *process) {
	snap := p.sample.Snapshot(f.end.mono)
	f.sampling = t.sampling(p, &snap, f.end)
	if pace := f.sampling.Pace; pace < 0.8 {
		f.notes = append(f.notes, fmt.Sprintf(
			"In windows the process had some %.0f %% of its pace: what it leaks by the work it does, not by time, may be up to %.0f times as much as estimated.",
			100*pace, 1/max(pace, 0.001)))
	}
	if !f.sampling.Checked {
		f.notes = append(f.notes, "The allocator's own bookkeeping cannot be read: blocks count as kept until a window sees them freed or handed out again.")
	}
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

// unwrap makes of a mapping that malloc made for a block that block: its stack
// begins with the caller of malloc, and it was served by a mapping. While only
// windows are watched such mappings are all that is seen of large blocks, and all
// of them are seen.
func (f *found) unwrap(s *report.Stack) {
	if s.Kind != report.Mmap || f.splitter == nil {
		return
	}
	for i, frame := range s.Frames {
		if frame.Module != f.target.Libc || i+1 == len(s.Frames) {
			return
		}
		if allocates[frame.Function] {
			s.Kind, s.Frames = report.Heap, s.Frames[i+1:]
			s.Served = &report.Served{Mmap: report.Sum{Bytes: s.Bytes, Blocks: s.Blocks}}
			return
		}
	}
}

// allocates are the names that glibc's functions have which return blocks.
var allocates = map[string]bool{
	"malloc": true, "calloc": true, "realloc": true, "memalign": true, "posix_memalign": true,
	"aligned_alloc": true, "valloc": true, "pvalloc": true,
	"__libc_malloc": true, "__libc_calloc": true, "__libc_realloc": true, "__libc_memalign": true,
	"__libc_valloc": true, "__libc_pvalloc": true, "__posix_memalign": true,
}
