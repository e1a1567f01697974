// Package report renders a snapshot of a traced process. Every form (text, JSON, folded
// stacks, pprof) is a pure function of a Report: nothing here reads /proc, BPF maps or the
// clock.
package report

import "time"

// Schema names the layout of the JSON form. Field names do not change within
// a schema version; fields may be added.
const Schema = "memtrace/1"

// Report is what memtrace knows of one process at one moment. Sizes are the bytes that the
// program requested; times are seconds.
type Report struct {
	Schema          string    `json:"schema"`
	Target          Target    `json:"target"`
	Start           time.Time `json:"start"`
	End             time.Time `json:"end"`
	DurationSeconds float64   `json:"duration_seconds"`
	// Mode is how calls of allocation functions were observed: ModeExact or one of its
	// siblings. TracedFraction is the fraction of the time in which they were. System calls
	// are observed all the time.
	Mode           string  `json:"mode"`
	TracedFraction float64 `json:"traced_fraction"`
	// Sampling is set in ModeWindows.
	Sampling *Sampling `json:"sampling,omitempty"`
	// Overhead estimates what tracing has cost, as a fraction of the target's time. It is 0 where
	// that was not measured.
	Overhead float64 `json:"overhead,omitempty"`
	// Complete is false where anything was lost. Figures are then lower bounds.
	Complete bool `json:"complete"`
	// Unprobed says, in words, which allocation functions went without a probe for a time and
	// why. Figures may then be too high as well.
	Unprobed []string `json:"unprobed,omitempty"`
	Events   Events   `json:"events"`
	// OlderSeconds is the minimum age of the blocks in Outstanding and Stacks. Younger blocks
	// are summed in Young.
	OlderSeconds float64 `json:"older_seconds"`
	// In ModeWindows and ModeGrowth these sums cover only what system calls added. Outstanding
	// leaves out what is Reserved: addresses without memory of the process's own, which cannot be
	// accessed, were not touched yet, or show the pages of a file. Its Blocks are the mappings of
	// the stacks that have nothing else.
	Outstanding Sum `json:"outstanding"`
	Young       Sum `json:"young"`
	Reserved    Sum `json:"reserved"`
	// Suppressed is what suppressions hid: stacks that are not in Stacks, although what they hold is
	// in Outstanding. The first hides most.
	Suppressed []Suppressed `json:"suppressed,omitempty"`
	// ChunkBytes is what glibc's malloc takes for the blocks in Outstanding: a block of 1 byte is a
	// chunk of 32. It is 0 where that is not known.
	ChunkBytes uint64 `json:"chunk_bytes,omitempty"`
	// MinSize and MaxSize are the sizes of the blocks that were traced, in bytes; 0 is no bound.
	MinSize uint64 `json:"min_size,omitempty"`
	MaxSize uint64 `json:"max_size,omitempty"`
	// Marks are the moments that were marked, the first first. SinceMark is the part of Outstanding
	// that was allocated since the last one, nil where that is not known.
	Marks     []Mark `json:"marks,omitempty"`
	SinceMark *Sum   `json:"since_mark,omitempty"`
	// Stacks are sorted, worst first. StacksTotal is how many there were before the list was
	// cut to the number asked for.
	Stacks      []Stack `json:"stacks"`
	StacksTotal int     `json:"stacks_total"`
	// Name, unless nil, fills in Frames, Truncated and InAllocator of a stack that has no
	// Frames, in Stacks or in Growth.FaultStacks. Holding the frames of very many stacks at
	// once would take much memory, so every form calls Name for one stack after the other.
	Name func(*Stack) `json:"-"`
	// MallocSplit is set where the process uses glibc's malloc.
	MallocSplit *MallocSplit `json:"malloc_split,omitempty"`
	// Allocators is what is outstanding by whose function served it, where several allocators have
	// served the process and every call was traced.
	Allocators []AllocatorSum `json:"allocators,omitempty"`
	// Peak is when most was outstanding, Threads who has allocated what is outstanding of the
	// blocks of allocation functions, Modules in which modules all that is outstanding was
	// allocated. They are known where every call was traced. Threads beyond the 256 that hold
	// most are added up.
	Peak    *Peak       `json:"peak,omitempty"`
	Threads []ThreadSum `json:"threads,omitempty"`
	Modules []ModuleSum `json:"modules,omitempty"`
	// Growth is set in ModeGrowth, and in ModeExact where memory grew that no traced call accounts
	// for: then page faults were sampled from that time on.
	Growth    *Growth    `json:"growth,omitempty"`
	Diagnosis *Diagnosis `json:"diagnosis,omitempty"` // what the figures mean
	// Memory is the process's address space, System the machine's memory. Either is nil where
	// it could not be read.
	Memory *Memory `json:"memory,omitempty"`
	System *System `json:"system,omitempty"`
	// Timeline is how memory developed, nil where the process was not looked at from outside.
	Timeline *Timeline   `json:"timeline,omitempty"`
	Later    *Later      `json:"later,omitempty"` // set where names of code were left out
	Heap     *HeapBeside `json:"heap,omitempty"`  // set where the heap was looked at as well
	// Notes are remarks in words that the readers of every form should see.
	Notes []string `json:"notes,omitempty"`
	// Hints say what would give frames their names and lines, see the function Hints.
	Hints []string `json:"hints,omitempty"`
}

// Target is the traced process.
type Target struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
	Exe     string `json:"exe"`
	// Allocator is the family of the allocator that serves the process (glibc, musl, jemalloc,
	// tcmalloc, mimalloc or unknown), or the names of several. Libc is the path of the object that
	// holds it.
	Allocator string `json:"allocator"`
	Libc      string `json:"libc"`
	Exited    bool   `json:"exited"`
	// Processes is how many processes of this program the report is the sum of, if that is more
	// than one. They have ended. PID is that of the first of them.
	Processes int `json:"processes,omitempty"`
	// Parent is the process that forked it while that was followed, 0 if none did.
	Parent int `json:"parent,omitempty"`
	// Inherited is what it had of its parent's blocks at the fork.
	Inherited *Inherited `json:"inherited,omitempty"`
	// ExitSignal is the name of the signal that ended the process, or empty if none did.
	// ExitStatus is the status it exited with, 0 to 255.
	ExitSignal string `json:"exit_signal,omitempty"`
	ExitStatus int    `json:"exit_status,omitempty"`
	// Modules are the mapped files that Stacks refer to, for the pprof form.
	Modules []Module `json:"-"`
}

// Inherited is a forked process's copy of its parent's blocks.
type Inherited struct {
	Sum
	// Freed is the part of it that the process has freed.
	Freed Sum `json:"freed"`
	// Listed: what is left of it is in Outstanding and in Stacks. In a process that has ended it
	// is not, since nobody could have looked for it.
	Listed bool `json:"listed"`
}

// Module is an executable mapping of a file.
type Module struct {
	Path    string
	BuildID string
	// Start and End are the mapping's addresses. Offset is its place in the file.
	Start, End, Offset uint64
}

// Sum is a number of blocks and of their bytes.
type Sum struct {
	Bytes  uint64 `json:"bytes"`
	Blocks uint64 `json:"blocks"`
}

// AllocatorSum is what is outstanding of one allocator: of its Family or, where that is not known,
// of the file that has its functions. What nobody is known to have served is that of "unknown".
type AllocatorSum struct {
	Allocator string `json:"allocator"`
	Sum
}

// Events counts the events that were observed.
type Events struct {
	Alloc       uint64 `json:"alloc"`
	Free        uint64 `json:"free"`
	Realloc     uint64 `json:"realloc"`
	Mmap        uint64 `json:"mmap"`
	Munmap      uint64 `json:"munmap"`
	Mremap      uint64 `json:"mremap"`
	Brk         uint64 `json:"brk"`
	Mprotect    uint64 `json:"mprotect"`
	Shmat       uint64 `json:"shmat"`
	Shmdt       uint64 `json:"shmdt"`
	UnknownFree uint64 `json:"unknown_free"`
	// Evicted counts blocks whose address was handed out again although no free of them was
	// observed.
	Evicted uint64 `json:"evicted"`
	// GivenUpStacks counts the stacks that held blocks but were merged with others to save
	// memory.
	GivenUpStacks uint64 `json:"given_up_stacks,omitempty"`
	Lost          Lost   `json:"lost"`
}

// Lost counts what could not be recorded.
type Lost struct {
	Alloc      uint64 `json:"alloc"`
	AllocBytes uint64 `json:"alloc_bytes"`
	Free       uint64 `json:"free"`
	Stack      uint64 `json:"stack"`
	Mmap       uint64 `json:"mmap"`
}

// Any reports whether anything was lost.
func (l Lost) Any() bool { return l != Lost{} }

// StackKind says what kind of memory a stack holds.
type StackKind string

// Heap blocks come from an allocation function. Mmap regions come from the program's own mmap
// and mremap calls. Grown is memory from any system call that made the address space grow.
const (
	Heap  StackKind = "heap"
	Mmap  StackKind = "mmap"
	Grown StackKind = "growth"
)

// Stack is a call stack and the memory allocated there that is still outstanding.
type Stack struct {
	// ID identifies the stack within the run, in hexadecimal.
	ID   string    `json:"id"`
	Kind StackKind `json:"kind"`
	// Bytes and Blocks are outstanding and at least OlderSeconds old.
	Bytes  uint64 `json:"bytes"`
	Blocks uint64 `json:"blocks"`
	// YoungBytes is what is outstanding and younger.
	YoungBytes uint64 `json:"young_bytes,omitempty"`
	// SinceMarkBytes and SinceMarkBlocks are the part of Bytes and Blocks that was allocated since
	// the last of Report.Marks. They are 0 where Report.SinceMark is nil.
	SinceMarkBytes  uint64 `json:"since_mark_bytes,omitempty"`
	SinceMarkBlocks uint64 `json:"since_mark_blocks,omitempty"`
	// These are totals since tracing began, of blocks of any age.
	AllocatedBytes  uint64 `json:"allocated_bytes"`
	AllocatedBlocks uint64 `json:"allocated_blocks"`
	FreedBlocks     uint64 `json:"freed_blocks"`
	// GrowthBytesPerSecond is the slope of the outstanding bytes over the run.
	GrowthBytesPerSecond float64 `json:"growth_bytes_per_second"`
	// FollowedSeconds is how long the stack has been known, on which the slope rests.
	FollowedSeconds float64 `json:"followed_seconds"`
	// Survival is the fraction, 0 to 1, of the allocations made at least OlderSeconds ago that
	// is still outstanding.
	Survival        float64 `json:"survival"`
	OldestSeconds   float64 `json:"oldest_seconds"`
	YoungestSeconds float64 `json:"youngest_seconds"`
	// PeakBytes and PeakBlocks are what it held, of any age, at the Peak of the report.
	PeakBytes  uint64 `json:"peak_bytes,omitempty"`
	PeakBlocks uint64 `json:"peak_blocks,omitempty"`
	// TemporaryBlocks counts the blocks that were freed, or given to realloc, by the next call of
	// the thread that had allocated them, or within a millisecond. Where only some sizes are
	// traced only the latter counts.
	TemporaryBlocks uint64 `json:"temporary_blocks,omitempty"`
	// Lifetimes are those of freed blocks, Sizes those of allocated ones. Both have only classes
	// with blocks. The last class is without bound: it reaches to the largest number there is.
	// Threads are who has allocated what is outstanding: the eight that hold most, and the sum of
	// the others. All three are left out beyond the 16,384 stacks that hold most.
	Lifetimes []LifetimeClass `json:"lifetimes,omitempty"`
	Sizes     []SizeClass     `json:"sizes,omitempty"`
	Threads   []ThreadSum     `json:"threads,omitempty"`
	// Allocator is whose function served the stack's allocations, where the process is served by
	// several allocators.
	Allocator string `json:"allocator,omitempty"`
	// Class says what the stack is taken for; empty where that was not judged.
	Class StackClass `json:"class,omitempty"`
	// LeakBytesPerSecond is the part of the growth that is held to be a leak, in bytes that the
	// allocator takes. It is 0 unless Class is one of a leak.
	LeakBytesPerSecond float64 `json:"leak_bytes_per_second,omitempty"`
	// ReplacedBytes is the part of what the allocator takes for the blocks that only makes up
	// for blocks of the same sizes from before the trace that were freed.
	ReplacedBytes uint64 `json:"replaced_bytes,omitempty"`
	// Inherited: the blocks are copies of those that the process's parent had at the fork. The
	// stack is the parent's.
	Inherited bool `json:"inherited,omitempty"`
	// ReservedBytes is what the stack's mappings have beside Bytes: addresses without memory of
	// the process's own. They cannot be accessed, were not touched yet, or show the pages of a
	// file.
	ReservedBytes uint64 `json:"reserved_bytes,omitempty"`
	// FillBytesPerSecond is how fast Bytes grows where no mapping is made: memory that was mapped
	// before is touched. It is 0 where that is not certain.
	FillBytesPerSecond float64 `json:"fill_bytes_per_second,omitempty"`
	// MergedStacks is how many stacks of the same printed frames this one is the sum of, if
	// that is more than one.
	MergedStacks int `json:"merged_stacks,omitempty"`
	// Like are those stacks, the largest first, at most MostLike of them.
	Like []Like `json:"like,omitempty"`
	// Freed says where the stack's blocks are freed, and where they are not. It is set for stacks
	// that leak, where frees were sampled.
	Freed *FreeSide `json:"freed,omitempty"`
	// Estimate is set where the stack was observed in windows of time.
	Estimate *Estimate `json:"estimate,omitempty"`
	// ChunkBytes is what malloc takes for the blocks in Bytes, for glibc only.
	ChunkBytes uint64 `json:"chunk_bytes,omitempty"`
	// Served splits Bytes and Blocks by the way malloc served them, for glibc only.
	Served *Served `json:"served,omitempty"`
	// Grown splits by the class of the memory, largest first, what system calls added: Bytes in
	// ModeGrowth, and the part of mappings that is memory. FaultedIn is how much of it is in
	// memory, estimated from the sampled faults; it is set in ModeGrowth.
	Grown     []ClassBytes   `json:"grown,omitempty"`
	FaultedIn *FaultEstimate `json:"faulted_in,omitempty"`
	// InAllocator: the system call came from inside an allocation function. It is known in
	// ModeGrowth only.
	InAllocator bool `json:"in_allocator,omitempty"`
	// Suppressed is the pattern that hides the stack. No stack of a finished report has one.
	Suppressed string `json:"-"`
	// GivenUpStacks is how many stacks this one is the sum of. They were given up to save
	// memory, the smallest first, so the sum has no frames.
	GivenUpStacks uint64 `json:"given_up_stacks,omitempty"`
	// Truncated: the stack is deeper than the frames below.
	Truncated bool `json:"truncated"`
	// OwnFrame is the index in Frames of the first function of the program itself, below those
	// of the allocator, libc and the standard libraries. It is 0 if there is none.
	OwnFrame int `json:"own_frame"`
	// Frames run innermost first; the first is the caller of the allocation
	// function.
	Frames []Frame `json:"frames"`
	// BlockList is there when asked for, largest first.
	BlockList []Block `json:"block_list,omitempty"`
}

// Taken returns the bytes that the allocator takes for the outstanding blocks, as far as known.
func (s *Stack) Taken() uint64 {
	if s.Served == nil {
		return s.Bytes
	}
	return s.Served.Brk.ChunkBytes + s.Served.Arena.ChunkBytes + s.Served.Mmap.ChunkBytes
}

// StackClass says what a stack is taken for.
type StackClass string

// The classes of stacks that were counted. Those of estimates are in Estimate.Class.
const (
	// ClassLeak: what the stack holds keeps adding up. ClassPossible: it seems to.
	ClassLeak     StackClass = "leak"
	ClassPossible StackClass = "possible leak"
	// ClassFilled: the stack grew and then stopped, or holds what it allocated at once.
	ClassFilled StackClass = "filled"
	// ClassReplaces: its blocks stand for others from before the trace that were freed.
	ClassReplaces StackClass = "replaces"
	// ClassInherited: its blocks are from before the fork, allocated by the parent.
	ClassInherited StackClass = "inherited"
	// ClassReserved: its mappings are addresses without memory of the process's own.
	ClassReserved StackClass = "reserved"
)

// Frame is one function of a stack. An inlined call is a frame of its own that shares the
// address of its caller.
type Frame struct {
	// Address is the return address, as an address in the process.
	Address uint64 `json:"address"`
	// Function is demangled; empty where no symbol is known.
	Function string `json:"function"`
	// Module is the path of the mapped file, or [vdso], [perf map] and the like.
	Module string `json:"module"`
	// Offset is the address relative to the module's load bias, as addr2line and objdump show
	// it.
	Offset uint64 `json:"offset"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Inline bool   `json:"inline,omitempty"`
	// Library: the frame is of the allocator, libc, or the standard library of a language.
	Library bool `json:"library,omitempty"`
}

// Block is one outstanding block.
type Block struct {
	Address    uint64  `json:"address"`
	Bytes      uint64  `json:"bytes"`
	AgeSeconds float64 `json:"age_seconds"`
}
