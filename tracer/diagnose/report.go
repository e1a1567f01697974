package diagnose

import (
	"fmt"
	"math"
	"slices"
	"time"

	"memtrace/tracer/book/live"
	"memtrace/tracer/book/sample"
	"memtrace/tracer/report"
)

// diagnosis is a report in the making.
type diagnosis struct {
	*Facts
	namer     namer
	target    report.Target
	estimates []sample.Estimate
	stacks    []report.Stack
	split     *report.MallocSplit
	sampling  *report.Sampling
	notes     []string
	lost      report.Lost
	complete  bool
	// several means that several allocators have served, of which byAllocator are the sums.
	several     bool
	byAllocator []report.AllocatorSum
	// aside is the mappings of stacks that are not listed, since they only show files.
	aside report.Sum
	// ofAllocator is the mappings that the allocator made outside of calls of its own.
	ofAllocator report.Sum
	// threadNames are the names of threads that were asked for.
	threadNames map[uint32]string
	// sampleGivenUp is what was given up of the evidence of windows.
	sampleGivenUp live.GiveUps
}

// namedAtOnce is how many stacks of a report get their frames when it is made.
const namedAtOnce = 2048

// Report makes a report. If there are very many stacks, most get their names only when the
// report is written (report.Report.Name), from the Symbols of the facts. Report takes over
// Known.
func Report(facts *Facts, opt Options) *report.Report {
	d := &diagnosis{Facts: facts}
	for i := range d.Known.Heap.Stacks { // who served others that hold nothing is known by now
		d.Allocators.of(d.Known.Server(d.Known.Heap.Stacks[i].ID))
	}
	d.target, d.several = describe(facts), d.Allocators.several()
	d.target.Inherited = d.inherited()
	d.namer = namer{symbols: facts.Symbols, target: &d.target}
	if d.Split != nil {
		d.split = d.Split.split(d.Known.Heap.Served, d.StartMono)
		d.notes = d.Split.remarks()
	}
	if d.Known.Sample != nil {
		d.estimate()
	}
	d.judge()
	d.lookAround()
	d.list()
	if d.Growth {
		d.classify(d.Known.VM.Stacks, opt.Blocks)
	}
	if d.sampling != nil {
		d.classifyCounted(opt.Blocks)
	}
	return d.report(opt)
}

// exact reports whether every call was traced.
func (d *diagnosis) exact() bool { return !d.Growth && d.Known.Sample == nil }

// note adds a remark that bears on the figures.
func (d *diagnosis) note(format string, args ...any) {
	d.notes = append(d.notes, fmt.Sprintf(format, args...))
}

// describe says which process it is, as far as known now.
func describe(f *Facts) report.Target {
	r := report.Target{PID: f.Target.PID, Command: f.Target.Command, Exe: f.Target.Exe, Exited: f.Known.Life.Exited}
	r.Allocator, r.Libc = f.Allocators.describe()
	r.Parent = int(f.Known.Life.Parent)
	if r.Exited {
		r.ExitSignal, r.ExitStatus = describeEnd(f.Known.Life.Status)
	}
	return r
}

// report builds the report, answers it, and cuts it to the top stacks.
func (d *diagnosis) report(opt Options) *report.Report {
	known := d.Known
	took := time.Duration(known.Now - d.StartMono)
	r := &report.Report{
		Schema:          report.Schema,
		Target:          d.target,
		Start:           d.Start,
		End:             d.Now.Add(-time.Duration(d.NowMono - known.Now)),
		DurationSeconds: took.Seconds(),
		Mode:            report.ModeExact,
		TracedFraction:  1,
		Overhead:        d.Windows.part(d.Windows.Spent),
		Complete:        d.complete,
		Unprobed:        d.Unprobed,
		Events:          d.events(),
		OlderSeconds:    known.Older.Seconds(),
		Outstanding:     sum(known.Heap.Outstanding, known.VM.Outstanding),
		Young:           sum(known.Heap.Young, known.VM.Young),
		MinSize:         d.MinSize,
		MaxSize:         d.MaxSize % math.MaxUint64, // which is no bound
		MallocSplit:     d.split,
		Allocators:      d.sums(),
		Notes:           d.notes,
	}
	switch {
	case d.Growth:
		r.Mode, r.TracedFraction, r.Growth = report.ModeGrowth, 0, d.growthReport()
	case d.sampling == nil && d.Known.FaultsSampled:
		r.Growth = d.growthReport()
	case d.sampling != nil:
		r.Mode, r.Sampling = report.ModeWindows, d.sampling
		r.TracedFraction = d.sampling.TracedSeconds / max(r.DurationSeconds, d.sampling.TracedSeconds, 1e-9)
	}
	for _, m := range d.Symbols.Mappings() {
		r.Target.Modules = append(r.Target.Modules, report.Module{
			Path: m.Path, BuildID: m.BuildID, Start: m.Start, End: m.End, Offset: m.Offset,
		})
	}
	d.remember(r)
	d.answer(r, opt)
	d.sinceMark(r, opt)
	Sort(r.Stacks, opt.Sort) // by what they have in the end
	d.measure(r, opt.Sort)
	if opt.Top > 0 && len(r.Stacks) > opt.Top {
		r.Stacks = slices.Clone(r.Stacks[:opt.Top])
	}
	d.heap(r, opt)
	r.Timeline = d.timeline(r.Stacks)
	if g := r.Growth; g != nil && opt.Top > 0 && len(g.FaultStacks) > opt.Top {
		g.FaultStacks = slices.Clone(g.FaultStacks[:opt.Top])
	}
	if slices.ContainsFunc(r.Stacks, func(s report.Stack) bool { return s.Frames == nil && s.GivenUpStacks == 0 }) ||
		r.Growth != nil && len(r.Growth.FaultStacks) > namedAtOnce {
		r.Name = d.name // as the report is written
	}
	r.Notes = slices.Concat(r.Notes, unread(d.Symbols.Unanswered(), d.Unanswered), unwatched(d.Facts),
		damaged(d.Target), report.Unnamed("Frames", d.Symbols.Problems()))
	return r
}

func (d *diagnosis) events() report.Events {
	h, v := &d.Known.Heap.Counters, &d.Known.VM.Counters
	return report.Events{
		Alloc:       h.Alloc,
		Free:        h.Free,
		Realloc:     h.Realloc,
		UnknownFree: h.UnknownFree,
		Evicted:     h.Evicted,

		GivenUpStacks: d.givenUp().Holding,
		Mmap:          v.Mmap,
		Munmap:        v.Munmap,
		Mremap:        v.Mremap,
		Brk:           v.Brk,
		Mprotect:      v.Mprotect,
		Shmat:         v.Shmat,
		Shmdt:         v.Shmdt,
		Lost:          d.lost,
	}
}

func sum(a, b live.Sum) report.Sum {
	return report.Sum{Bytes: a.Bytes + b.Bytes, Blocks: a.Blocks + b.Blocks}
}
