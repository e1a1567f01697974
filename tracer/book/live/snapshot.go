package live

import (
	"time"

	"memtrace/tracer/event"
)

// Options says what a Snapshot should hold.
type Options struct {
	// PID is the process asked for, 0 for all.
	PID uint32
	// Now is the time of the snapshot, ns of CLOCK_MONOTONIC. If it is earlier than the latest
	// event, the time of that event is taken, so 0 means that.
	Now uint64
	// Older is the age from which a block counts. Younger blocks are only added up in
	// Snapshot.Young. With 0 every block counts.
	Older time.Duration
	// Blocks asks for the blocks of each stack: the MaxBlocks largest, or all of them if
	// MaxBlocks is 0.
	Blocks    bool
	MaxBlocks int
	// Way, if not nil, says which way a counted block was served, and how many bytes the
	// allocator takes for it.
	Way Way
	// Ours, if not nil, says of which stacks Way knows the blocks: another allocator serves those
	// of the others.
	Ours func(event.StackID) bool
	// LostAllocs is how many allocations may have been lost. As many frees of unknown blocks
	// may be of those, and not of blocks from before the trace.
	LostAllocs uint64
	// Since, if not 0, is a time (ns): blocks that count and were allocated from then on are also
	// added up in Stack.Since.
	Since uint64
	// All includes stacks without a block that counts.
	All bool
	// Past asks for the stacks that hold nothing but have allocated, apart from the others.
	Past bool
}

// Sum is a number of blocks and of their bytes.
type Sum struct{ Bytes, Blocks uint64 }

// Add adds a block of size bytes.
func (s *Sum) Add(size uint64) {
	s.Bytes += size
	s.Blocks++
}

// Sub removes a block of size bytes.
func (s *Sum) Sub(size uint64) {
	s.Bytes -= size
	s.Blocks--
}

// Plus returns the sum of both.
func (s Sum) Plus(o Sum) Sum { return Sum{s.Bytes + o.Bytes, s.Blocks + o.Blocks} }

// MaxWays is how many ways of serving blocks are told apart.
const MaxWays = 3

// Way says how the block of size requested bytes at addr was served: a number below MaxWays,
// whose meaning is the caller's, and how many bytes the allocator takes for it. chunk is what
// is known of its chunk.
type Way func(addr, size uint64, chunk event.Flags) (way int, taken uint64)

// Share is blocks that were served one way, and the bytes that the allocator takes for them.
type Share struct {
	Sum
	Taken uint64
}

// Served is the blocks by the way in which they were served.
type Served [MaxWays]Share

// Taken is the bytes that the allocator takes for all of them.
func (s *Served) Taken() (bytes uint64) {
	for i := range s {
		bytes += s[i].Taken
	}
	return bytes
}

// Snapshot is what is known of live memory at one moment.
type Snapshot struct {
	// Now is the time of the snapshot, ns.
	Now uint64
	// Stacks are sorted by Bytes, largest first, then by ID and PID.
	Stacks []Stack
	// Outstanding is the blocks at least Options.Older old, Young the others.
	Outstanding, Young Sum
	// Served is Outstanding by Options.Way.
	Served Served
	// Exited says that all processes asked for have exited.
	Exited bool
}

// Key identifies a stack. IDs already hash the pid in. Having the pid in the key costs
// nothing, and keeps stacks that could not be read (ID 0) apart by process.
type Key struct {
	ID  event.StackID
	PID uint32
}

// Stack is a call stack and its blocks.
type Stack struct {
	ID  event.StackID
	PID uint32
	// Inherited: the blocks are copies of its parent's, by whose stack they were allocated.
	Inherited bool
	// Sum is the blocks that are outstanding and at least Older old.
	Sum
	// Since is the part of Sum that Options.Since asks for.
	Since Sum
	// Young is the bytes of the others that are outstanding.
	Young uint64
	// These are totals since tracing began, of blocks of any age. Blocks neither outstanding
	// nor freed were dropped by an exec or a gap.
	AllocatedBytes, AllocatedBlocks, FreedBlocks uint64
	// GrowthBytesPerSecond is the slope of the outstanding bytes, of any age. It rests on the
	// time that Followed says.
	GrowthBytesPerSecond float64
	Followed             time.Duration
	// Survival is the part, 0 to 1, of the allocations made at least Older ago that is still
	// at least partly outstanding. Older counts as at most the window of the ledger's
	// trend.Clock. Allocations up to an eighth of the window older than that may be left out.
	// If no others are left, all count.
	Survival float64
	// Oldest and Youngest are ages of the blocks in Sum.
	Oldest, Youngest time.Duration
	// Served is Sum by Options.Way.
	Served Served
	// ReplacedBytes is the part of Served.Taken that takes the place of blocks from before the
	// trace, by Census.Replace, and ReplacedBlocks the blocks that it belongs to.
	ReplacedBytes, ReplacedBlocks uint64
	// Peak is what it held, of any age, when its process held most. Temporary counts the freed
	// blocks that were freed by the next call of the thread that had allocated them, or within a
	// millisecond.
	Peak      Sum
	Temporary uint64
	// Detail is nil where that is not known, or of too many stacks.
	Detail *Detail
	// BlockList is sorted by size, largest first, then by address.
	BlockList []Block
}

// Detail is more that is known of a stack.
type Detail struct {
	// Sizes are those of allocated blocks, Lifetimes those of freed ones, in ns.
	Sizes, Lifetimes Histogram
	// Threads divides Stack.Sum by the threads that have allocated it, the largest first.
	Threads []ThreadSum
}

// ThreadSum is what a thread has allocated that is outstanding. TID 0 stands for all that are not
// told apart.
type ThreadSum struct {
	TID uint32
	Sum
}

// Block is one outstanding block.
type Block struct {
	Address, Bytes uint64
	Age            time.Duration
}
