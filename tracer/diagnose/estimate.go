package diagnose

import (
	"slices"
	"time"

	"memtrace/tracer/book/live"
	"memtrace/tracer/book/sample"
	"memtrace/tracer/event"
	"memtrace/tracer/process/target"
	"memtrace/tracer/region"
	"memtrace/tracer/report"
)

// estimate adds what windows showed.
func (d *diagnosis) estimate() {
	s := d.Known.Sample
	d.sampling = d.sampled(s)
	if pace := d.sampling.Pace; pace < 0.8 {
		d.note("In windows the process had some %.0f %% of its pace: what leaks by the work it does is seen less there than what leaks by time. Intervals hold both.", 100*pace)
	}
	if !d.sampling.Checked {
		d.note("The allocator's own bookkeeping cannot be read: blocks count as kept until a window sees them freed or handed out again.")
	}
	d.estimates, d.sampleGivenUp = s.Estimates, s.Counters.GivenUp
}

func reportEstimate(e *sample.Estimate) *report.Estimate {
	return &report.Estimate{
		Class:                string(e.Class),
		Confidence:           e.Confidence,
		MaturitySeconds:      e.Maturity.Seconds(),
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

// sampled says what the estimates rest on.
func (d *diagnosis) sampled(s *sample.Snapshot) *report.Sampling {
	w := &d.Windows
	r := &report.Sampling{
		SinceSeconds:    time.Duration(d.Known.WindowsSince - d.StartMono).Seconds(),
		Windows:         s.Windows,
		TracedSeconds:   s.Traced.Seconds(),
		Dropped:         s.Counters.Dropped,
		MaxOverhead:     w.MaxOverhead,
		MaturitySeconds: s.Maturity.Seconds(),
		Candidates:      s.Counters.Candidates,
		Freed:           s.Counters.Freed,
		Reused:          s.Counters.Reused,
		FoundFree:       s.Counters.FoundFree,
		Checked:         d.Split != nil && d.Split.malloc.Err == nil,
		Execs:           d.Known.Life.Execs,
		Overhead:        w.part(w.Spent),
		ProbesOverhead:  w.part(w.Stalled),
		Pace:            1,
	}
	if w.Watched > 0 {
		r.Pace = 1 - float64(w.Slowed)/float64(w.Watched)
	}
	r.WorkScale = w.workScale(&s.Pace)
	return r
}

// classifyCounted says what was added by the system calls that are counted while windows are
// watched. A mapping that malloc made for a block is that block. Mappings that the program
// made are as in an exact trace. What is left is the growth of malloc's heaps.
func (d *diagnosis) classifyCounted(blocks bool) {
	for i := range d.Known.VM.Stacks {
		s := &d.stacks[i]
		s.Grown = d.classesOf(&d.Known.VM.Stacks[i])
		if !blocks {
			s.BlockList = nil
		}
		switch {
		case len(s.Grown) == 1 && s.Grown[0].Class == region.MallocMmap.String():
			s.Kind, s.Grown = report.Heap, nil
			s.Served = &report.Served{Mmap: report.Share{Sum: report.Sum{Bytes: s.Bytes, Blocks: s.Blocks}, ChunkBytes: s.Bytes}}
		// What the allocator mapped for itself is growth that estimates explain.
		case !slices.ContainsFunc(s.Grown, ofMalloc) && !d.mappedByAllocator(d.Known.VM.Stacks[i].ID):
			s.Kind, s.Grown = report.Mmap, nil
		}
	}
}

// ofMalloc reports whether memory is of a class that is malloc's.
func ofMalloc(g report.ClassBytes) bool {
	switch g.Class {
	case region.Brk.String(), region.Arena.String(), region.MallocMmap.String():
		return true
	}
	return false
}

// mappedByAllocator reports whether the stack of a system call leads from libc, or at once, into an
// allocator that is a library of its own.
func (d *diagnosis) mappedByAllocator(id event.StackID) bool {
	o := d.Target.Allocator()
	if o == nil || o.Family == target.Glibc || o.Path == d.Target.Exe {
		return false
	}
	addresses, _, _ := d.Known.Frames(id)
	mappings := d.Symbols.Mappings()
	for _, address := range addresses {
		path := ""
		for i := range mappings {
			if m := &mappings[i]; m.Start <= address-1 && address-1 < m.End {
				path = m.Path
			}
		}
		if path == o.Path {
			return true
		}
		if !slices.ContainsFunc(d.Target.Objects, func(o *target.Object) bool { return o.Path == path }) {
			return false
		}
	}
	return false
}

// callerOfMalloc cuts the stack of a system call of malloc so that it begins at malloc's
// caller, as it does where malloc itself is probed.
func callerOfMalloc(frames []report.Frame) []report.Frame {
	for i, frame := range frames {
		if frame.Module != frames[0].Module || i+1 == len(frames) {
			break
		}
		if target.Allocates(frame.Function) {
			return frames[i+1:]
		}
	}
	return frames
}
