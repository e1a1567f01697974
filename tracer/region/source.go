package region

import (
	"errors"
	"time"

	"memtrace/symbolize/procmaps"
)

var (
	// ErrGone is that the process has ended, or has no address space any more.
	ErrGone = errors.New("process has ended")
	// ErrNotPermitted is that the process may not be looked into.
	ErrNotPermitted = errors.New("not permitted")
)

// Source reads an address space. Its errors are ErrGone and ErrNotPermitted
// where they are of that kind.
type Source interface {
	// Facts says what else is known of the process. It is asked at every poll.
	Facts() (Facts, error)
	// Maps calls f with every mapping, in order of address. The Mapping is f's
	// until it returns.
	Maps(f func(*procmaps.Mapping)) error
	// Smaps is Maps with the resident bytes of each.
	Smaps(f func(*procmaps.Mapping)) error
	// Statm is the sizes of the whole address space in bytes, as the kernel
	// counts them.
	Statm() (virtual, resident uint64, err error)
	// Stacks appends one address for each thread but the first, and says of how
	// many threads no address is known.
	Stacks(dst []StackAddress) (_ []StackAddress, unlocated int, err error)
	// Read copies memory of the process to p. It reports false where that is not
	// possible, or not harmless: a page that was never touched is not read.
	Read(addr uint64, p []byte) bool
	// Present is the bytes of [start, end) that are in memory. It reports false
	// where that cannot be known.
	Present(start, end uint64) (bytes uint64, ok bool)
	// Used is the processor time that the calling thread has taken so far.
	Used() time.Duration
}

// Facts is what a Source knows of a process beside its mappings.
type Facts struct {
	// Exe is the executable as maps names it. Dev and Inode are those of the
	// file, if known.
	Exe        string
	Dev, Inode uint64
	// Tmpfs is the device numbers of file systems that hold their files in
	// memory.
	Tmpfs map[uint64]bool
	// Program changes when the process executes another program.
	Program uint64
}

// StackAddress is an address in the stack of a thread.
type StackAddress struct {
	Addr uint64
	// Certain: the address is that of the thread's control block, which libc
	// puts on top of the stack. Otherwise it is a stack pointer, which may as
	// well point into a stack that a runtime carved out of other memory.
	Certain bool
}
