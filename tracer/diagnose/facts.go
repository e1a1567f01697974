package diagnose

import (
	"time"

	"memtrace/symbolize"
	"memtrace/tracer/book"
	"memtrace/tracer/book/faults"
	"memtrace/tracer/diagnose/suppress"
	"memtrace/tracer/event"
	"memtrace/tracer/process/kin"
	"memtrace/tracer/process/limits"
	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/process/target"
	"memtrace/tracer/region"
	"memtrace/tracer/report"
	"memtrace/tracer/trend"
)

// Options says what a report shows.
type Options struct {
	// Older leaves out blocks that are younger. It does not apply after the process has
	// exited: what is live then was never given back.
	Older time.Duration
	// Top is the number of stacks, 0 for all.
	Top int
	// Sort is the order (default BySize).
	Sort Order
	// Past adds the stacks that hold nothing any more.
	Past bool
	// Blocks lists the blocks of each stack, at most MaxBlocks (0: all).
	Blocks    bool
	MaxBlocks int
	// Paced: snapshots come often, so looks at the process that take long are made seldom. What they
	// tell, as the free memory of malloc and the address space, may be some moments old.
	Paced bool
	// Marks are the marks so far, the first first.
	Marks []Mark
	// Heap, if not nil, returns the looks at the heap of a process, nil if there are none.
	Heap func(pid int) HeapLooks
}

// Facts is what a report is made of.
type Facts struct {
	// Start is when the trace began, Now the time that the book was asked about; StartMono
	// and NowMono are the same on the clock of events (ns of CLOCK_MONOTONIC).
	Start, Now         time.Time
	StartMono, NowMono uint64
	// Known is what the book knows.
	Known *book.Copy
	// Followed means that the children of the process are traced as well.
	Followed bool
	// Growth means that no probe is in the process: system calls stand for growth of every
	// kind.
	Growth bool
	// Pages are the Known.Pages that are still in memory.
	Pages []faults.Page
	// MaxMemory is what memtrace may take, in bytes.
	MaxMemory uint64
	// MinSize and MaxSize are the sizes of the blocks that are traced, 0 for no bound.
	MinSize, MaxSize uint64
	// PartOfCalls means that programs run only on system calls that change an address space,
	// so that each one left out is a missing change.
	PartOfCalls bool
	// Windows is the cost of tracing, where that is bounded.
	Windows Windows

	// Target is what the process is, Symbols names its addresses.
	Target  *target.Target
	Symbols Symbols
	// Split sorts the blocks of the process, nil if malloc is not glibc's. Kept returns how
	// much malloc keeps free, KeptFirst how much it kept when the trace began, unless another
	// program was executed since; ok is false if that is not known.
	Split *Split
	// Allocators is who has served the process.
	Allocators *Allocators
	Kept       func() (kept ptmalloc.Kept, ok bool)
	KeptFirst  func() (kept ptmalloc.Kept, ok bool)
	// Space is the address space of the process, nil if it cannot be looked at. SpaceErr is
	// why the last look failed. ClassAt is the class of an address at that look.
	Space    *region.Snapshot
	SpaceErr error
	ClassAt  func(addr uint64) region.Class
	// History returns what a stack held until a time (ns): blocks, or mappings if mapped.
	History func(id event.StackID, mapped bool, until uint64) []trend.Sample
	// ThreadName returns the name of a thread, "" if it is not known.
	ThreadName func(tid uint32) string
	// Kin is the process's descendants, its threads and its state.
	Kin kin.Snapshot
	// System is the machine's memory, SystemErr why it is incomplete.
	System    *report.System
	SystemErr error
	// Limits is what limits the memory of the process, nil if it has ended or that cannot be
	// looked at.
	Limits *limits.Limits
	// Unprobed says what no probe reached, and why. Unfollowed means that the process runs a
	// program that was not looked at yet. Debuggers says who debugged it, "" if nobody did.
	Unprobed   []string
	Unfollowed bool
	Debuggers  string
	// Debugger is who has the process under ptrace now, "" if nobody does.
	Debugger string
	// Unanswered is what did not answer in time, files aside.
	Unanswered []string
	// Suppress says which stacks are hidden, nil for none.
	Suppress *suppress.List
}

// Windows is what tracing costs, every call first and then windows of time.
type Windows struct {
	// MaxOverhead is the allowed cost, as a part of the process's time. Spent is the cost
	// since the trace began.
	// Stalled is the part of it that is due to probes.
	MaxOverhead    float64
	Spent, Stalled time.Duration
	// Since is how long the trace had gone on by then: longer than a process that came later.
	Since time.Duration
	// Watched is the time in windows, Slowed what the process lost of it.
	Watched, Slowed time.Duration
	// AllocCost and FreeCost are what calls cost in windows, give or take the part CostDoubt of
	// it (a standard deviation).
	AllocCost, FreeCost time.Duration
	CostDoubt           float64
}

// part returns a part of the cost as a fraction of the time of the trace.
func (w *Windows) part(cost time.Duration) float64 {
	return float64(cost) / max(float64(w.Since), 1)
}

// Symbols is a *symbolize.Process.
type Symbols interface {
	// ResolveIn names a return address, innermost inlined function first, in the code that was
	// mapped there: an event.CodeID.
	ResolveIn(code, returnAddress uint64) []symbolize.Frame
	// Called reports whether a call ends right before a return address, and whether that is known.
	Called(code, returnAddress uint64) (called, known bool)
	Mappings() []symbolize.Mapping
	// FileIn returns the file that is mapped at an address in such code, and the offset in it.
	FileIn(code, address uint64) (path string, offset uint64)
	// Defines returns the first of some names that a function of a mapped file has, "" if there
	// is none.
	Defines(path string, names ...string) string
	// Unanswered returns the files that did not answer, Problems what kept other files from
	// naming frames.
	Unanswered() []string
	Problems() []string
	// Bare reports whether the names of code in files are left out.
	Bare() bool
}
