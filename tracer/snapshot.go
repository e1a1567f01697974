package tracer

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"memtrace/symbolize"
	"memtrace/tracer/heap"
	"memtrace/tracer/live"
	"memtrace/tracer/report"
	"memtrace/tracer/target"
	"memtrace/tracer/vm"
)

// Order is what the stacks of a report are sorted by, the largest first.
type Order string

// The orders.
const (
	BySize     Order = "size"
	ByCount    Order = "count"
	ByGrowth   Order = "growth"
	BySurvival Order = "survival"
)

// SnapshotOptions says what a report is to show.
type SnapshotOptions struct {
	// Older leaves out blocks that are younger. After a process's exit it does
	// not apply: what is live then was never given back.
	Older time.Duration
	// Top is the number of stacks, 0 for all.
	Top int
	// Sort is the order (default BySize).
	Sort Order
	// Blocks lists the blocks of each stack, at most MaxBlocks (0: all).
	Blocks    bool
	MaxBlocks int
}

// found is what one process's snapshot is made of, copied under the lock.
type found struct {
	process  *process
	target   report.Target
	heap     heap.Snapshot
	vm       vm.Snapshot
	start    moment
	end      moment
	older    time.Duration
	stacks   []report.Stack
	splitter *splitter // nil where malloc is not glibc's
	split    *report.MallocSplit
	notes    []string
	lost     report.Lost
	complete bool
	growth   *growthFound // nil but in growth mode
	memory   *report.Memory
	system   *report.System
	traced   *target.Target
}

// Snapshot returns what every process holds now or, after Run, held when the
// trace ended; one report for each, in the order of their pids. It may be
// called from any goroutine.
func (t *Tracer) Snapshot(opt SnapshotOptions) []*report.Report {
	var reports []*report.Report
	for _, pid := range t.pids() {
		f := t.collect(pid, opt)
		reports = append(reports, f.report(opt))
	}
	return reports
}

func (t *Tracer) pids() []uint32 {
	var pids []uint32
	for pid := range t.procs {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids
}

// collect copies what concerns one process. Naming frames takes long and is
// done without the lock, and only for what is shown.
func (t *Tracer) collect(pid uint32, opt SnapshotOptions) *found {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.procs[pid]
	f := &found{process: p, start: t.start, end: t.end, older: opt.Older, target: p.describe(), traced: p.target}
	if f.end.mono == 0 {
		f.end = now()
	}
	if p.exited {
		f.older = 0
		f.end = moment{f.end.wall.Add(-time.Duration(f.end.mono - p.endMono)), p.endMono}
	}
	asked := live.Options{PID: pid, Now: f.end.mono, Older: f.older, Blocks: opt.Blocks, MaxBlocks: opt.MaxBlocks}
	if t.cfg.GrowthOnly {
		asked.Older, asked.Blocks, asked.MaxBlocks = 0, true, 0 // to be classified
		f.older = 0
		f.growth = t.collectGrowth(p)
	}
	f.vm = t.vm.Snapshot(asked)
	if p.malloc != nil {
		f.splitter = &splitter{view: p.malloc}
		if !p.exited {
			p.malloc.poll(f.end.mono)
			p.malloc.findRange(p.target.PID)
		}
		asked.Way = f.splitter.way
	}
	f.heap = t.heap.Snapshot(asked)
	for _, s := range f.heap.Stacks {
		r := t.reportStack(report.Heap, s)
		if f.splitter != nil {
			ways := served(s.Served)
			r.Served = &ways
		}
		f.stacks = append(f.stacks, r)
	}
	if f.splitter != nil {
		f.split = f.splitter.split(f.heap.Served, f.start.mono)
		f.notes = f.splitter.remarks()
	}
	kind := report.Mmap
	if t.cfg.GrowthOnly {
		kind = report.Grown
	}
	for _, s := range f.vm.Stacks {
		f.stacks = append(f.stacks, t.reportStack(kind, s))
	}
	f.judge(t, p)
	return f
}

// describe says which process it is, as far as known now.
func (p *process) describe() report.Target {
	r := report.Target{PID: p.target.PID, Command: p.target.Command, Exe: p.target.Exe, Exited: p.exited}
	if len(p.target.Objects) > 0 {
		first := p.target.Objects[0]
		r.Allocator, r.Libc = string(first.Family), first.Path
	}
	return r
}

// reportStack converts a stack, its frames still bare addresses.
func (t *Tracer) reportStack(kind report.StackKind, s live.Stack) report.Stack {
	st := t.stacks[s.ID]
	r := report.Stack{
		ID:                   fmt.Sprintf("%016x", uint64(s.ID)),
		Kind:                 kind,
		Bytes:                s.Bytes,
		Blocks:               s.Blocks,
		AllocatedBytes:       s.AllocatedBytes,
		AllocatedBlocks:      s.AllocatedBlocks,
		FreedBlocks:          s.FreedBlocks,
		GrowthBytesPerSecond: s.GrowthBytesPerSecond,
		Survival:             s.Survival,
		OldestSeconds:        s.Oldest.Seconds(),
		YoungestSeconds:      s.Youngest.Seconds(),
		Truncated:            st.truncated,
	}
	for _, address := range st.frames {
		r.Frames = append(r.Frames, report.Frame{Address: address})
	}
	for _, b := range s.BlockList {
		r.BlockList = append(r.BlockList, report.Block{Address: b.Address, Bytes: b.Bytes, AgeSeconds: b.Age.Seconds()})
	}
	return r
}

// judge adds up what was lost and says in words what bears on the figures.
func (f *found) judge(t *Tracer, p *process) {
	c, h := &t.counters, &f.heap.Counters
	f.lost = report.Lost{
		Alloc:      c.LostAlloc + c.LostThread + c.Stale,
		AllocBytes: c.LostAllocBytes,
		Free:       c.LostFree,
		Stack:      c.LostStack,
		Mmap:       c.LostMmap,
	}
	note := func(format string, args ...any) { f.notes = append(f.notes, fmt.Sprintf(format, args...)) }
	dropped := sum(h.Dropped, f.vm.Counters.Dropped)
	if dropped.Blocks > 0 {
		note("%d blocks (%d bytes) are left out because frees were lost, theirs perhaps among them.",
			dropped.Blocks, dropped.Bytes)
	}
	if h.Evicted > 0 {
		note("%d blocks were handed out again although no free of them was seen.", h.Evicted)
	}
	if p.children > 0 {
		note("The process forked %d times; its children are not traced (trace them with -p).", p.children)
	}
	if n := c.CutDepth + c.CutNoRule + c.CutBadRule + c.CutBadStack; n > 0 {
		note("%d stacks were cut short: %d for their depth, %d in code without unwind rules, %d by rules that need a lost register, %d by an unreadable stack.",
			n, c.CutDepth, c.CutNoRule, c.CutBadRule, c.CutBadStack)
	}
	if t.missed > 0 {
		note("The kernel left out %d system calls of all processes, since the program that looks at them was at work: mappings among them were not seen.", t.missed)
	}
	if len(p.target.Objects) > 1 && f.growth == nil {
		note("Allocations of %d mapped allocators are counted together.", len(p.target.Objects))
	}
	if f.growth != nil && c.LostFault > 0 {
		note("Samples of %d page faults found no room: estimates are lower bounds.", c.LostFault)
	}
	f.complete = !f.lost.Any() && dropped.Blocks == 0 && h.Evicted == 0
	if f.growth != nil && t.kernel.functions && t.missed > 0 {
		f.complete = false // only calls that change an address space are looked at
	}
}

// report sorts, cuts and names.
func (f *found) report(opt SnapshotOptions) *report.Report {
	f.lookAround()
	if f.growth != nil {
		f.classify(f.vm.Stacks)
	}
	f.sort(opt.Sort)
	r := &report.Report{
		Schema:          report.Schema,
		Target:          f.target,
		Start:           f.start.wall,
		End:             f.end.wall,
		DurationSeconds: float64(f.end.mono-f.start.mono) / 1e9,
		Mode:            "exact",
		Complete:        f.complete,
		Events:          f.events(),
		OlderSeconds:    f.older.Seconds(),
		Outstanding:     sum(f.heap.Outstanding, f.vm.Outstanding),
		Young:           sum(f.heap.Young, f.vm.Young),
		StacksTotal:     len(f.stacks),
		Stacks:          f.stacks,
		MallocSplit:     f.split,
		Notes:           f.notes,
	}
	if f.growth != nil {
		r.Mode, r.Growth = "growth", f.growthReport(opt.Top)
	}
	f.remember(r)
	if opt.Top > 0 && len(r.Stacks) > opt.Top {
		r.Stacks = r.Stacks[:opt.Top]
	}
	for i := range r.Stacks {
		s := &r.Stacks[i]
		s.Frames = name(f.process.symbols, s.Frames)
		s.InAllocator = f.growth != nil && byAllocator(s.Frames, f.traced)
	}
	for _, m := range f.process.symbols.Mappings() {
		r.Target.Modules = append(r.Target.Modules, report.Module{
			Path: m.Path, BuildID: m.BuildID, Start: m.Start, End: m.End, Offset: m.Offset,
		})
	}
	return r
}

func (f *found) sort(order Order) {
	key := func(s *report.Stack) float64 { return float64(s.Bytes) }
	switch order {
	case ByCount:
		key = func(s *report.Stack) float64 { return float64(s.Blocks) }
	case ByGrowth:
		key = func(s *report.Stack) float64 { return s.GrowthBytesPerSecond }
	case BySurvival:
		key = func(s *report.Stack) float64 { return s.Survival }
	}
	slices.SortFunc(f.stacks, func(a, b report.Stack) int {
		return cmp.Or(cmp.Compare(key(&b), key(&a)), cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.ID, b.ID))
	})
}

func (f *found) events() report.Events {
	h, v := &f.heap.Counters, &f.vm.Counters
	return report.Events{
		Alloc:       h.Alloc,
		Free:        h.Free,
		Realloc:     h.Realloc,
		UnknownFree: h.UnknownFree,
		Evicted:     h.Evicted,
		Mmap:        v.Mmap,
		Munmap:      v.Munmap,
		Mremap:      v.Mremap,
		Brk:         v.Brk,
		Mprotect:    v.Mprotect,
		Lost:        f.lost,
	}
}

func sum(a, b live.Sum) report.Sum {
	return report.Sum{Bytes: a.Bytes + b.Bytes, Blocks: a.Blocks + b.Blocks}
}

// name resolves bare frames. Every address of a stack is behind the call that
// it comes from.
func name(symbols *symbolize.Process, bare []report.Frame) []report.Frame {
	frames := make([]report.Frame, 0, len(bare))
	for _, b := range bare {
		for _, s := range symbols.Resolve(b.Address, true) {
			frames = append(frames, report.Frame{
				Address:  s.Address,
				Function: s.Function,
				Module:   s.Module,
				Offset:   s.Offset,
				File:     s.File,
				Line:     s.Line,
				Inline:   s.Inline,
			})
		}
	}
	return frames
}
