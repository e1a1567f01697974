package tracer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"memtrace/tracer/event"
	"memtrace/tracer/heap"
	"memtrace/tracer/live"
	"memtrace/tracer/probe"
	"memtrace/tracer/region"
	"memtrace/tracer/report"
	"memtrace/tracer/sample"
	"memtrace/tracer/target"
	"memtrace/tracer/vm"
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
	process *process
	// addresses returns the return addresses of a stack and whether they are cut short.
	addresses func(event.StackID) ([]uint64, bool)
	namer     namer
	target    report.Target
	heap      heap.Snapshot
	vm        vm.Snapshot
	estimates []sample.Estimate
	exact     bool // every call was traced
	start     moment
	end       moment
	older     time.Duration
	stacks    []report.Stack
	splitter  *splitter // nil where malloc is not glibc's
	split     *report.MallocSplit
	sampling  *report.Sampling
	notes     []string
	lost      report.Lost
	unprobed  []string
	complete  bool
	growth    *growthFound // nil but in growth mode
	// sampleGivenUp is what was given up of what windows showed.
	sampleGivenUp live.GiveUps
	traced        *target.Target
	// space is the address space, nil where it cannot be looked at; spaceErr is why
	// the last look failed.
	space    *region.Snapshot
	spaceErr error
	// unanswered is what was waited for in vain, but for files.
	unanswered []string
	system     *report.System
}

// namedAtOnce is how many stacks of a report have their frames when Snapshot returns.
const namedAtOnce = 2048

// Snapshot returns what every process holds now or, after Run, held when the
// trace ended; one report for each, in the order of their pids. It may be
// called from any goroutine. Where there are very many stacks a report names the frames
// of most as it is written (Report.Name), which has to be before Close.
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
	p := t.procs[pid]
	t.lookAtMalloc(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	f := &found{
		process: p, addresses: t.addresses(), namer: namer{symbols: p.symbols}, start: t.start, end: t.end, older: opt.Older,
		target: p.describe(), traced: p.target,
	}
	if f.end.mono == 0 {
		f.end = now()
	}
	if p.exited {
		f.older = 0
		f.end = f.end.at(max(p.endMono, t.start.mono)) // it may have ended while it was attached to
	}
	if !p.exited {
		t.forgetUnmapped(pid)
	}
	asked := live.Options{PID: pid, Now: f.end.mono, Older: f.older, Blocks: opt.Blocks, MaxBlocks: opt.MaxBlocks}
	if t.cfg.GrowthOnly {
		asked.Older, asked.Blocks, asked.MaxBlocks = 0, true, 0 // to be classified
		f.older = 0
		f.growth = t.collectGrowth(p)
	}
	if t.windowed {
		asked.Blocks, asked.MaxBlocks = true, 0 // to be classified
	}
	f.vm = t.vm.Snapshot(asked)
	if p.malloc != nil {
		f.splitter = &splitter{view: p.malloc}
		asked.Way = f.splitter.way
	}
	f.heap = t.heap.Snapshot(asked)
	f.unanswered = slices.Clone(t.unanswered)
	f.exact = !t.cfg.GrowthOnly && !t.windowed
	if f.splitter != nil {
		f.split = f.splitter.split(f.heap.Served, f.start.mono)
		f.notes = f.splitter.remarks()
	}
	if t.windowed {
		f.estimate(t, p)
	}
	f.judge(t, p)
	return f
}

// describe says which process it is, as far as known now.
func (p *process) describe() report.Target {
	r := report.Target{PID: p.target.PID, Command: p.target.Command, Exe: p.target.Exe, Exited: p.exited}
	if o := p.target.Allocator(); o != nil {
		r.Allocator, r.Libc = string(o.Family), o.Path
	}
	if p.exited {
		r.ExitSignal, r.ExitStatus = describeEnd(p.status)
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
	dropped, unseen := sum(h.Dropped, f.vm.Counters.Dropped), false
	if dropped.Blocks > 0 {
		note("%d blocks (%d bytes) are left out because frees were lost, theirs perhaps among them.",
			dropped.Blocks, dropped.Bytes)
	}
	if h.Evicted > 0 {
		note("%d blocks were handed out again although no free of them was seen.", h.Evicted)
	}
	if p.exited && trapped(p.status) && f.growth == nil {
		f.notes = append(f.notes, whyTrapped)
	}
	if text := p.debuggerNote(t.windowed); text != "" {
		f.notes = append(f.notes, text)
	}
	if p.exited && p.endMono < t.start.mono {
		note("The process ended before its trace began.")
	}
	unfollowed := t.follower.unfollowed(p)
	if unfollowed {
		note("The process runs a new program that was not looked at yet: what that allocated may be missing.")
	}
	if p.children > 0 {
		note("The process forked %d times; its children are not traced (trace them with -p).", p.children)
	}
	if cut := cutShort(c); cut != "" {
		note("Stacks were cut short: %s.", cut)
	}
	if t.missed > 0 {
		note("The kernel left out %d system calls of all processes, since the program that looks at them was at work: mappings made by them are missing here.", t.missed)
	}
	if len(p.target.Objects) > 1 && f.growth == nil {
		note("Allocations of %d mapped allocators are counted together.", len(p.target.Objects))
	}
	for _, o := range p.target.Objects {
		if len(o.Unseen) > 0 && f.growth == nil {
			note("What %s of %s allocates is missing: a probe on it would harm the process.", strings.Join(o.Unseen, ", "), o.Path)
			unseen = true
		}
	}
	if c.HighSignalStack > 0 {
		note("%d threads have a signal stack above their own. Before Linux 6.13, a signal handler that allocates there while the thread is in malloc ends the process while it is traced.", c.HighSignalStack)
	}
	if f.growth != nil && c.LostFault > 0 {
		note("Samples of %d page faults found no room: estimates are lower bounds.", c.LostFault)
	}
	f.noteGivenUp(t.cfg.MaxMemory)
	if t.windowed {
		// What was lost of blocks is what windows were dropped for.
		f.lost.Alloc, f.lost.AllocBytes = 0, 0
	}
	f.unprobed = slices.Clone(p.unprobed)
	f.complete = !f.lost.Any() && dropped.Blocks == 0 && h.Evicted == 0 && f.givenUp().Holding == 0 && !unseen && len(f.unprobed) == 0 && !unfollowed
	if t.probes.Functions && t.missed > 0 {
		f.complete = false // only calls that change an address space are looked at
	}
}

// cutShort says how many stacks are not whole, and why.
func cutShort(c *probe.Counters) string {
	var why []string
	for _, cut := range []struct {
		n      uint64
		reason string
	}{
		{c.CutDepth, "for their depth"},
		{c.CutNoRule, "in code without unwind rules"},
		{c.CutBadRule, "by rules that need a lost register"},
		{c.CutBadStack, "by an unreadable stack"},
	} {
		if cut.n > 0 {
			why = append(why, report.Count(cut.n)+" "+cut.reason)
		}
	}
	return strings.Join(why, ", ")
}

// report sorts, cuts and names.
func (f *found) report(opt SnapshotOptions) *report.Report {
	f.lookAround()
	f.list()
	if f.growth != nil {
		f.classify(f.vm.Stacks)
	}
	if f.sampling != nil {
		f.classifyCounted(opt.Blocks)
	}
	f.sort(opt.Sort)
	r := &report.Report{
		Schema:          report.Schema,
		Target:          f.target,
		Start:           f.start.wall,
		End:             f.end.wall,
		DurationSeconds: f.end.since(f.start).Seconds(),
		Mode:            report.ModeExact,
		TracedFraction:  1,
		Complete:        f.complete,
		Unprobed:        f.unprobed,
		Events:          f.events(),
		OlderSeconds:    f.older.Seconds(),
		Outstanding:     sum(f.heap.Outstanding, f.vm.Outstanding),
		Young:           sum(f.heap.Young, f.vm.Young),
		StacksTotal:     len(f.stacks),
		Stacks:          f.stacks,
		MallocSplit:     f.split,
		Notes:           f.notes,
	}
	switch {
	case f.growth != nil:
		r.Mode, r.TracedFraction, r.Growth = report.ModeGrowth, 0, f.growthReport(opt.Top)
	case f.sampling != nil:
		r.Mode, r.Sampling = report.ModeWindows, f.sampling
		r.TracedFraction = f.sampling.TracedSeconds / max(r.DurationSeconds, f.sampling.TracedSeconds, 1e-9)
	}
	f.remember(r, opt.Top)
	if opt.Top > 0 && len(r.Stacks) > opt.Top {
		r.Stacks = slices.Clone(r.Stacks[:opt.Top])
	}
	f.stacks, f.vm.Stacks = nil, nil // names take memory, too
	for i := range r.Stacks[:min(len(r.Stacks), namedAtOnce)] {
		f.name(&r.Stacks[i])
	}
	if len(r.Stacks) > namedAtOnce || r.Growth != nil && len(r.Growth.FaultStacks) > namedAtOnce {
		r.Name = f.name
	}
	r.Notes = append(r.Notes, unread(f.process.symbols.Unanswered(), f.unanswered)...)
	r.Notes = append(r.Notes, damaged(f.process.target)...)
	r.Notes = append(r.Notes, unnamed(f.process.symbols.Problems())...)
	for _, m := range f.process.symbols.Mappings() {
		r.Target.Modules = append(r.Target.Modules, report.Module{
			Path: m.Path, BuildID: m.BuildID, Start: m.Start, End: m.End, Offset: m.Offset,
		})
	}
	return r
}

func (f *found) events() report.Events {
	h, v := &f.heap.Counters, &f.vm.Counters
	return report.Events{
		Alloc:       h.Alloc,
		Free:        h.Free,
		Realloc:     h.Realloc,
		UnknownFree: h.UnknownFree,
		Evicted:     h.Evicted,

		GivenUpStacks: f.givenUp().Holding,
		Mmap:          v.Mmap,
		Munmap:        v.Munmap,
		Mremap:        v.Mremap,
		Brk:           v.Brk,
		Mprotect:      v.Mprotect,
		Lost:          f.lost,
	}
}

func sum(a, b live.Sum) report.Sum {
	return report.Sum{Bytes: a.Bytes + b.Bytes, Blocks: a.Blocks + b.Blocks}
}
