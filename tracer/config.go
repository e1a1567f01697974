package tracer

import (
	"time"

	"memtrace/tracer/diagnose/suppress"
	"memtrace/tracer/probe"
	"memtrace/tracer/process/target"
)

// Config says what to trace and how. The zero value of a field means its default.
type Config struct {
	// PIDs are the processes to trace, as seen in the initial PID namespace.
	PIDs []int
	// Follow makes the children of the processes join the trace. The caller holds them at their
	// birth, and when they execute programs, to call Tracer.Adopt and Tracer.Executed.
	Follow bool
	// Joins says that processes may be added while the trace goes on (Tracer.Adopt).
	Joins bool
	// GrowthOnly watches only page faults and the system calls that change an address space:
	// no probe is put into the processes. Reports then show the stacks behind the growth.
	// MinSize, MaxSize, Older, MaxOverhead and MaxStall have no meaning.
	GrowthOnly bool
	Named      *target.Named  // allocation functions beside those that are known
	Suppress   *suppress.List // which stacks reports hide
	// StackDepth is how many frames of a stack are kept, 1 to 127 (default 127).
	StackDepth int
	// MinSize and MaxSize bound the blocks that are traced, in requested bytes. MaxSize 0
	// means no bound.
	MinSize, MaxSize uint64
	// RingSize is the ring buffer's size in bytes, a power of two and a multiple of the page
	// size (default 32 MiB; 4 MiB with GrowthOnly).
	RingSize int
	// Older is the age from which survival is judged. It does not restrict what a Snapshot
	// shows.
	Older time.Duration
	// MaxOverhead is the part of the targets' time that tracing may cost, 0 to 1. If tracing
	// every call costs more, only windows of time are watched and the rest is estimated. 0,
	// the default, means no bound: every call is traced.
	MaxOverhead float64
	// MaxStall is the longest that a window may keep a thread from its work (default 50 ms).
	MaxStall time.Duration
	// MaxSlowed is the part of their work that windows may slow by a tenth or more (default: all).
	MaxSlowed float64
	// MaxMemory is how many bytes memtrace may take (default 512 MiB, at least 256), 64 for each
	// live block, and what a ring buffer takes beyond a quarter of it, apart. If there are too many
	// call stacks for it, those that hold least are given up, and among equals those that have not
	// allocated for longest. The report counts what they hold. No block or mapping is given up.
	MaxMemory uint64
	// DebugDirs are searched for separate debug files, as in gdb's debug-file-directory
	// (default /usr/lib/debug).
	DebugDirs []string
	// NamesLater leaves the names of code in files out of reports: diagnose.Names has them later.
	NamesLater bool
	// Logf receives remarks on the trace, with Verbose more of them (default: none).
	Logf    func(format string, args ...any)
	Verbose bool

	// slowReader makes the reader wait after each record, so that a test can make the ring
	// overflow.
	slowReader time.Duration
	// older makes memtrace use the ways of older kernels.
	older probe.Older
	// stackMemory overrides how many bytes of MaxMemory are for stacks.
	stackMemory uint64
	// spills overrides the size of the map for frees that the ring cannot take.
	spills uint32
}

const (
	defaultRingSize = 32 << 20
	growthRingSize  = 4 << 20
	maxStackDepth   = 127
	defaultMemory   = 512 << 20
	leastMemory     = 256 << 20
	defaultMaxStall = 50 * time.Millisecond
)

func (c Config) withDefaults() Config {
	if c.StackDepth <= 0 || c.StackDepth > maxStackDepth {
		c.StackDepth = maxStackDepth
	}
	if c.MaxSize == 0 {
		c.MaxSize = ^uint64(0)
	}
	if c.RingSize == 0 {
		c.RingSize = defaultRingSize
		if c.GrowthOnly {
			c.RingSize = growthRingSize
		}
	}
	if c.GrowthOnly {
		c.MaxOverhead = 0
	}
	if c.MaxMemory == 0 {
		c.MaxMemory = defaultMemory
	}
	c.MaxMemory = max(c.MaxMemory, leastMemory)
	if c.MaxStall == 0 {
		c.MaxStall = defaultMaxStall
	}
	if c.Logf == nil {
		c.Logf = func(string, ...any) {}
	}
	return c
}

// joined reports whether processes come and go while the trace goes on.
func (c *Config) joined() bool { return c.Follow || c.Joins }

// probeOptions are the fields that concern the kernel.
func (c Config) probeOptions() probe.Options {
	return probe.Options{
		GrowthOnly: c.GrowthOnly,
		Follow:     c.Follow,
		StackDepth: c.StackDepth,
		MinSize:    c.MinSize,
		MaxSize:    c.MaxSize,
		RingSize:   c.RingSize,
		Spills:     c.spills,
		Older:      c.older,
		Logf:       c.Logf,
	}
}

// RequirementError is returned if the kernel or the caller's privileges do not allow tracing.
type RequirementError = probe.RequirementError
