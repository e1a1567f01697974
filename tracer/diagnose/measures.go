package diagnose

import (
	"memtrace/tracer/book/live"
	"memtrace/tracer/diagnose/answer"
	"memtrace/tracer/report"
)

// measure adds what an exact trace knows beside what is outstanding.
func (d *diagnosis) measure(r *report.Report, by Order) {
	if !d.exact() {
		return
	}
	h := &d.Known.Heap
	r.Peak = &report.Peak{Sum: sum(h.Peak.Sum, live.Sum{}), Approximate: h.Peak.Approximate}
	if h.Peak.Time > d.StartMono {
		r.Peak.AtSeconds = float64(h.Peak.Time-d.StartMono) / 1e9
	}
	r.Threads = d.threads(h.Threads)
	d.past(r, by)
}

// threads names threads.
func (d *diagnosis) threads(list []live.ThreadSum) (named []report.ThreadSum) {
	if d.threadNames == nil {
		d.threadNames = make(map[uint32]string)
	}
	for _, t := range list {
		name, known := d.threadNames[t.TID]
		if !known && d.ThreadName != nil && t.TID != 0 {
			name = d.ThreadName(t.TID)
			d.threadNames[t.TID] = name
		}
		named = append(named, report.ThreadSum{TID: int(t.TID), Name: name, Sum: sum(t.Sum, live.Sum{})})
	}
	return named
}

// detail adds to a stack of the report what the ledger has counted of it.
func (d *diagnosis) detail(r *report.Stack, s *live.Stack) {
	r.PeakBytes, r.PeakBlocks, r.TemporaryBlocks = s.Peak.Bytes, s.Peak.Blocks, s.Temporary
	if s.Detail == nil {
		return
	}
	for class, n := range s.Detail.Sizes {
		if n > 0 {
			r.Sizes = append(r.Sizes, report.SizeClass{UpToBytes: live.Bound(class, live.FirstSize), Blocks: n})
		}
	}
	for class, n := range s.Detail.Lifetimes {
		if n > 0 {
			r.Lifetimes = append(r.Lifetimes, report.LifetimeClass{UpToSeconds: float64(live.Bound(class, live.FirstLifetime)) / 1e9, Blocks: n})
		}
	}
	r.Threads = d.threads(s.Detail.Threads)
}

// past adds the stacks that hold nothing, which no answer is about, and sorts all.
func (d *diagnosis) past(r *report.Report, by Order) {
	stacks := make([]report.Stack, 0, len(d.Known.Heap.Past))
	for i := range d.Known.Heap.Past {
		s := &d.Known.Heap.Past[i]
		one := reportStack(report.Heap, s, d.Known.Heap.Counters.GivenUp)
		one.Allocator = d.allocatorOf(s.ID)
		d.detail(&one, s)
		stacks = append(stacks, one)
	}
	d.Known.Heap.Past = nil
	if len(stacks) == 0 {
		return
	}
	order(stacks, by)
	d.nameAtOnce(stacks, namedAtOnce, func(*report.Stack) bool { return true })
	d.suppress(stacks)
	r.Stacks = answer.Group(append(r.Stacks, stacks...))
	r.StacksTotal = len(r.Stacks)
	d.hide(r)
	Sort(r.Stacks, by)
}
