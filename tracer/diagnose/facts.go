package diagnose

import (
	"time"

	"memtrace/symbolize"
	"memtrace/tracer/book"
	"memtrace/tracer/book/faults"
	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/process/target"
	"memtrace/tracer/region"
	"memtrace/tracer/report"
)

// Options says what a report is to show.
type Options struct {
	// Older leaves out blocks that are younger. After a process's exit it does not apply:
	// what is live then was never given back.
	Older time.Duration
	// Top is the number of stacks, 0 for all.
	Top int
	// Sort is the order (default BySize).
	Sort Order
	// Blocks lists the blocks of each stack, at most MaxBlocks (0: all).
	Blocks    bool
	MaxBlocks int
}

// Facts is what a report is made of.
type Facts struct {
	// Start is when the trace began, Now the time that the book was asked about; StartMono
	// and NowMono are the same on the clock of events (ns of CLOCK_MONOTONIC).
	Start, Now         time.Time
	StartMono, NowMono uint64
	// Known is what the book knows.
	Known *book.Copy
	// Growth: no probe is in the process, and system calls stand for growth of every kind.
	Growth bool
	// Pages are Known.Pages that are still in memory.
	Pages []faults.Page
	// MaxMemory is what memtrace may take, in bytes.
	MaxMemory uint64
	// PartOfCalls: programs look at those system calls alone that change an address space,
	// so that one that was left out is one that is missing.
	PartOfCalls bool
	// Windows is what windows cost, where there are some.
	Windows Windows

	// Target is what the process is, Symbols names its addresses.
	Target  *target.Target
	Symbols Symbols
	// Split sorts its blocks, nil where malloc is not glibc's. Kept says how much malloc
	// keeps free; ok is false where that is not known.
	Split *Split
	Kept  func() (kept ptmalloc.Kept, ok bool)
	// Space is its address space, nil where it cannot be looked at; SpaceErr is why the last
	// look failed. ClassAt is the class of an address at that look.
	Space    *region.Snapshot
	SpaceErr error
	ClassAt  func(addr uint64) region.Class
	// System is the machine's memory, SystemErr why it is not whole.
	System    *report.System
	SystemErr error
	// Unprobed says what no probe reached, and why. Unfollowed: it runs a program that was
	// not looked at yet. Debuggers says who debugged it, "" if nobody has.
	Unprobed   []string
	Unfollowed bool
	Debuggers  string
	// Unanswered is what was waited for in vain, but for files.
	Unanswered []string
}

// Windows is what watching windows of time costs.
type Windows struct {
	// MaxOverhead is what it may cost, as a part of the process's time; Spent is what it did
	// cost since the trace began.
	MaxOverhead float64
	Spent       time.Duration
	// Watched is the time in windows, Slowed what the process lost of it.
	Watched, Slowed time.Duration
}

// Symbols is a *symbolize.Process.
type Symbols interface {
	// Resolve names an address, innermost inlined function first. behindCall: the address
	// is that behind a call.
	Resolve(addr uint64, behindCall bool) []symbolize.Frame
	Mappings() []symbolize.Mapping
	// Unanswered are files that did not answer, Problems what kept others from naming.
	Unanswered() []string
	Problems() []string
}
