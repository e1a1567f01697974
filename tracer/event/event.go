// Package event defines what the probes report and decodes the records that carry it from the
// BPF ring buffer. bpf/event.h is the source of truth for their layout. The package does not
// know where records come from or what is made of them.
package event

// Kind says what happened.
type Kind uint8

// The kinds. An allocation joins the live set when its function returns. A block that is given
// up leaves it when the function is entered, because from then on another thread can be handed
// the same address.
const (
	// Alloc: an allocation function returned the block Addr of Size requested bytes to the
	// code at Stack.
	Alloc Kind = iota + 1
	// Free: free was entered with Addr. With glibc, Size is that of the block's chunk, at most
	// 64 GiB less 16 bytes. It is 0 if it was not read: mostly since the same thread was handed
	// the block while it was traced. With other allocators it means nothing.
	Free
	// ReallocEnter: realloc was entered with the live block Addr. The block leaves the live
	// set until the same thread's Realloc or ReallocFail. Size is as in a Free.
	ReallocEnter
	// Realloc: realloc returned the block Addr of Size bytes. Arg is the old block's address,
	// 0 if there was none.
	Realloc
	// ReallocFail: realloc could not serve the request. The old block Addr is live again, with
	// its old size.
	ReallocFail
	// Mmap: the program mapped Size bytes at Addr. Arg is Prot | Flags<<32. It replaces
	// whatever was mapped in that range.
	Mmap
	// Munmap: munmap of Size bytes at Addr was entered.
	Munmap
	// MunmapFail: the same thread's last Munmap did not happen.
	MunmapFail
	// MremapEnter: mremap was entered for the old range Addr, Size. A Size of 0 means that the
	// mapping is duplicated, not moved. Arg is mremap's flags.
	MremapEnter
	// Mremap: the same thread's mremap returned the new range Addr, Size. Arg is the old
	// address.
	Mremap
	// MremapFail: the same thread's last MremapEnter did not happen.
	MremapFail
	// Brk: the program break is now Addr. Arg is the requested value (0 asks for the current
	// break).
	Brk
	// Mprotect: the range Addr, Size now has protection Arg.
	Mprotect
	// Exec: the process replaced its address space; everything it held is gone. Addr is 1 if a
	// thread other than the leader called exec.
	Exec
	// Fork: the process forked. Addr is the child's pid. Size is 1 if the child shares the
	// address space, as that of vfork does until it calls exec.
	Fork
	// Exit: the last thread of the process is exiting. What is live then was never given back.
	// Addr is its status as wait(2) gives it.
	Exit
	// Stack: the frames behind a stack ID. It is sent once, before the first event that names
	// it, if the ring has room.
	Stack
	// Fault: a page fault at Addr, for memory that was not present, at Stack. It is a sample
	// that stands for Size faults. With the flag Present, the page was there already.
	Fault
	// Code: the program mapped Size bytes of the file File at Addr, with the right to execute
	// them. Arg is where they are in the file. It comes just before the Mmap.
	Code
	// Shmat: shmat attached the System V segment of the id Arg at Addr. Its Size is not told.
	// It replaces whatever was mapped in that range.
	Shmat
	// Shmdt: shmdt of the segment at Addr was entered.
	Shmdt
	// Rest: a piece of the memory of the stack named Stack, from address Addr on, for a Stack
	// that is marked Later. SP and BP are the registers of the last of its frames.
	Rest
	// Returned: an allocation function returned the block Addr to the address Arg, at Stack, outside of
	// what is traced: see package focus. Size is that of its chunk.
	Returned
)

// Flags qualify an event.
type Flags uint8

const (
	// InAllocator marks an mmap, munmap, mremap, brk or mprotect that an allocation function
	// made: memory of the allocator, not of the program. It also marks a Free that a wrapper
	// made, of a block that nobody may have been told of.
	InAllocator Flags = 1 << iota
	// Truncated marks a Stack that is longer than the frames sent.
	Truncated
	// ChunkMmapped and ChunkArena are flags in the header that glibc keeps before the block of
	// an Alloc or Realloc. They mean that the chunk is a mapping of its own, or in a thread's
	// arena. With another allocator they mean nothing.
	ChunkMmapped
	ChunkArena
	// Write and Present are flags of a Fault: the access was a write; the page was there, but
	// could not be written to, as where a file is mapped privately.
	Write
	Present
	// Later marks a Stack whose last frame is in code without unwind tables, which are about to
	// come. What is needed to go on with it follows in events of the kind Rest.
	Later
	// Sampled marks a Free whose Stack was read. It stands for Arg frees, chosen by chance.
	Sampled
)

// StackID names a call stack of one process: a hash of its frames and the pid. It is 0 if the
// stack could not be read or sent.
type StackID uint64

// Event is one decoded record.
type Event struct {
	Kind  Kind
	Flags Flags
	// PID is the process (thread group), TID the thread, both as seen in the initial PID
	// namespace.
	PID, TID uint32
	// Time is nanoseconds of CLOCK_MONOTONIC.
	Time  uint64
	Addr  uint64
	Size  uint64
	Stack StackID
	Arg   uint64
	// Frames are those of a Stack event, innermost first. Each is the address behind the
	// instruction that left the frame: a call or, innermost, a system call or an access that
	// faulted. In a frame that was interrupted it is one byte behind the start of the
	// instruction. The next Decode into the same Event reuses the slice.
	Frames []uint64
	// Server is the address in the function that served the allocations of a Stack event: that
	// which the allocation function called, if it is a wrapper. It is 0 for other stacks.
	Server uint64
	// File is that of a Code event.
	File File
	// Number counts the files that all processes have mapped as code, from 1 on, in an Mmap of one.
	Number uint32
	// SP, BP and Data are those of a Rest event. Data is valid until the next record is read.
	SP, BP uint64
	Data   []byte
}

// File is a file of which a part is mapped as code.
type File struct {
	// Dev and Inode are as in /proc/PID/maps.
	Dev, Inode uint64
	// Generation tells the file from others that had its inode before or after, on file systems
	// that number these. It is 0 on others.
	Generation uint64
	// Path is below the process's root directory. It is "" if it is too long or leads elsewhere.
	Path string
}

// CodeID names what is mapped as code at an address: a file at a place, or one of the following.
type CodeID uint64

const (
	// FirstCode is what was mapped when the trace began.
	FirstCode CodeID = iota
	// NoFile is code that is in no file.
	NoFile
	// SomeFile is a file that is not known.
	SomeFile
	// firstFile is the smallest ID of a file.
	firstFile
)

// Mapped returns what a Code event maps.
func (e *Event) Mapped() CodeID {
	hash := uint64(0)
	for _, v := range [...]uint64{e.File.Dev, e.File.Inode, e.File.Generation, e.Addr - e.Arg} {
		hash = mix(hash, v)
	}
	return CodeID(max(hash, uint64(firstFile)))
}

// In returns the ID of the same stack where its frames lie in other code than the one that was
// at their addresses first.
func (id StackID) In(codes []CodeID) StackID {
	hash := uint64(id)
	for _, code := range codes {
		hash = mix(hash, uint64(code))
	}
	return StackID(max(hash, 1))
}

// mix is one round of a hash, the one that the BPF programs make stack IDs with.
func mix(hash, v uint64) uint64 {
	hash = (hash ^ v) * 0x9e3779b97f4a7c15
	return hash ^ hash>>29
}
