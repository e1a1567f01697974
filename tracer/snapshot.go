package tracer

import (
	"time"

	"memtrace/tracer/book"
	"memtrace/tracer/diagnose"
	"memtrace/tracer/event"
	"memtrace/tracer/focus"
	"memtrace/tracer/process"
	"memtrace/tracer/report"
	"memtrace/tracer/sysmem"
)

type (
	SnapshotOptions = diagnose.Options // what a report shows
	Order           = diagnose.Order   // what its stacks are sorted by, the largest first
)

// The default orders, of memtrace and of memtrace grow.
const (
	ByLeak = diagnose.ByLeak
	BySize = diagnose.BySize
)

// Aside is for what its caller does with reports meanwhile: see process.Aside.
var Aside = process.Aside

// Snapshot returns what every process holds now or, after Run, held when the trace ended: a report
// for each, in the order of their pids. It may be called from any goroutine. Of very many stacks
// most get names only when the report is written (Report.Name), which must be before Close.
func (t *Tracer) Snapshot(opt SnapshotOptions) []*report.Report {
	defer process.Aside()()
	t.followed.moving.RLock()
	defer t.followed.moving.RUnlock()
	var reports []*report.Report
	for _, pid := range t.processes.PIDs() {
		if f := t.facts(pid, opt); f != nil {
			reports = append(reports, diagnose.Report(f, opt))
		}
	}
	return append(reports, t.followed.reports.List(opt.Top)...)
}

// Focus is on what windows never meet of a process, once it is wanted; nil without windows.
func (t *Tracer) Focus(pid int) *focus.Focus {
	return focus.Of(uint32(pid), t.probes, t.processes, t.book, t.cfg.MaxOverhead, t.cfg.Logf)
}

// facts collects what a report of one process is made of, nil if it was released.
func (t *Tracer) facts(pid uint32, opt SnapshotOptions) *diagnose.Facts {
	p := t.processes.Of(pid)
	if p == nil {
		return nil
	}
	f := &diagnose.Facts{
		Start: t.start, StartMono: t.startMono,
		MinSize: t.cfg.MinSize, MaxSize: t.cfg.MaxSize,
		Growth: t.cfg.GrowthOnly, Suppress: t.cfg.Suppress, Followed: t.cfg.joined(), MaxMemory: t.cfg.MaxMemory, PartOfCalls: t.probes.Functions,
		Symbols: p.Symbols(), Kept: p.KeptAt(opt.Paced), KeptFirst: p.KeptFirst, ClassAt: p.ClassAt, Allocators: diagnose.NewAllocators(p.Symbols(), p.Target(), t.book.Servers(pid)),
	}
	t.forgetUnmapped(pid)
	f.Now, f.NowMono = t.until()
	f.Split = f.Allocators.Split(t.processes.Malloc(pid, f.NowMono))
	unfollowed := t.processes.Unfollowed(pid)
	asked := book.Asked{Start: t.startMono, Now: f.NowMono, Older: opt.Older, Blocks: opt.Blocks, MaxBlocks: opt.MaxBlocks, Since: opt.Since(), Past: opt.Past}
	if f.Split != nil {
		asked.Way, asked.Ours = f.Split.Way, f.Split.Ours
	}
	f.Known = t.book.Copy(pid, asked)
	t.processes.OpenCode(pid)
	f.Began()
	f.Target, f.Unprobed = p.Target(), p.Unprobed()
	f.Unfollowed = t.processes.Unfollowed(pid) || unfollowed
	f.Pages, f.Known.Pages = p.Present(f.Known.Pages, f.Known.Life.Exited), nil
	if t.loop != nil {
		s := t.loop.Spent()
		f.Windows = diagnose.Windows{MaxOverhead: t.cfg.MaxOverhead, Since: time.Duration(f.NowMono - t.startMono), Spent: s.Total(), Stalled: s.Stalled(), Watched: s.Watched, Slowed: s.Slowed, AllocCost: s.Costs.Alloc, FreeCost: s.Costs.Free, CostDoubt: s.Doubt}
	}
	f.Debugger, f.History = p.Debugger(), t.book.History(pid)
	f.Debuggers = p.DebuggerNote(f.Known.Sample != nil)
	f.System, f.SystemErr = sysmem.Read()
	f.Kin, f.ThreadName = p.Kin(time.Now()), p.ThreadName
	f.Space, f.SpaceErr = p.SpaceAt(time.Now(), opt.Paced)
	f.Limits = p.Limits(f.Space)
	f.Unanswered = t.unanswered.All()
	return f
}

// until is the time that a snapshot is about, on both clocks: now, or the end of the trace.
func (t *Tracer) until() (wall time.Time, mono uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.endMono != 0 {
		return t.end, t.endMono
	}
	return time.Now(), event.Now()
}

// forgetUnmapped removes from the ledger what a process no longer has mapped. Where the kernel
// lets tracepoint programs preempt one another it skips some of their runs, and an munmap that
// was not seen would look like a leak.
func (t *Tracer) forgetUnmapped(pid uint32) {
	if t.book.Missed() == 0 || t.book.Exited(pid) {
		return
	}
	time := event.Now() // what is read may lack mappings made from here on, so these are kept
	t.book.Unmapped(pid, process.ReadUnmapped(pid), time)
}
