package region

import (
	"errors"
	"time"

	"memtrace/symbolize/procmaps"
)

var (
	// ErrGone means that the process has ended or no longer has an address space.
	ErrGone = errors.New("process has ended")
	// ErrNotPermitted means that the process may not be inspected.
	ErrNotPermitted = errors.New("not permitted")
)

// Source reads an address space. Its errors wrap ErrGone or ErrNotPermitted where they apply.
type Source interface {
	// Facts returns what else is known of the process. It is called at every poll.
	Facts() (Facts, error)
	// Maps calls f with every mapping, in order of address. f may use the Mapping only until
	// it returns.
	Maps(f func(*procmaps.Mapping)) error
	// Smaps is Maps with the resident bytes of each mapping.
	Smaps(f func(*procmaps.Mapping)) error
	// Statm returns the size of the whole address space in bytes, as the kernel counts it.
	// data is private memory that can be written, the main stack included.
	Statm() (virtual, resident, data uint64, err error)
	// Stacks appends one stack address for each thread but the first. It also returns the
	// number of threads whose address is unknown.
	Stacks(dst []StackAddress) (_ []StackAddress, unlocated int, err error)
	// Read copies memory of the process to p. It reports false where that is impossible or
	// would do harm: a page that was never touched is not read.
	Read(addr uint64, p []byte) bool
	// Present returns how many bytes of [start, end) are in memory, and how many of these
	// belong to no file and to no shared memory. It reports false where that cannot be known.
	Present(start, end uint64) (bytes, anonymous uint64, ok bool)
	// Used returns the processor time that the calling thread has taken so far.
	Used() time.Duration
}

// Facts is what a Source knows of a process besides its mappings.
type Facts struct {
	// Exe is the executable's path as maps shows it. Dev and Inode identify the file, if
	// known.
	Exe        string
	Dev, Inode uint64
	// Tmpfs holds the device numbers of file systems that keep their files in memory.
	Tmpfs map[uint64]bool
	// Program changes when the process executes another program.
	Program uint64
}

// StackAddress is an address in the stack of a thread.
type StackAddress struct {
	Addr uint64
	// Certain: Addr is in the thread's control block, which libc puts on top of the stack.
	// Otherwise Addr is a stack pointer, which may also point into a stack that a runtime
	// carved out of other memory.
	Certain bool
}
