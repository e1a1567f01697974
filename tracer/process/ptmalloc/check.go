package ptmalloc

import (
	"fmt"
	"io"
	"os"
)

// Block is a block that malloc handed out: its address and the header it then had.
type Block struct {
	Address uint64
	Header  Header
}

// State is what Check found out about a block.
type State uint8

const (
	// Unknown: the state cannot be told; Verdict.Reason says why.
	Unknown State = iota
	// InUse: nothing says that the block was freed. It may have been freed and its memory
	// handed out again with the same header, which cannot be told.
	InUse
	// Free: the block that was handed out no longer exists.
	Free
)

func (s State) String() string { return [...]string{"unknown", "in use", "free"}[s] }

// Reason is what tells a block's state. It is None for a block in use.
type Reason uint8

const (
	None Reason = iota

	// NextSaysFree: the next chunk says that the chunk before it is free.
	NextSaysFree
	// HeaderChanged: the block's header has another size or other flags. The chunk was merged,
	// split, handed out anew, or resized by a realloc, which makes it another block even if it
	// stays in place.
	HeaderChanged
	// NextChanged: what follows the block is no longer a chunk.
	NextChanged
	// Merged: the block lies within a larger chunk that is in a bin.
	Merged
	// Inside: the block lies within a larger chunk, judging by the sizes of all chunks before
	// it (Verify).
	Inside
	// BeyondTop: the block lies in its arena's last chunk or beyond that.
	BeyondTop
	// Tcache: the block is in the list of a thread's cache.
	Tcache
	// Fastbin: the block is in the list of a fastbin.
	Fastbin
	// Unmapped: there is no mapping at its address.
	Unmapped
	// NoPage: there is a mapping, but its page was never written to. It is another mapping, or
	// the page was given back.
	NoPage

	// NotAChunk: malloc cannot have handed out such a block.
	NotAChunk
	// Unreadable: there is a mapping, but it cannot be read, or userfaultfd may still have to
	// fill it.
	Unreadable
	// Inconsistent: the block's header and the chunk before it contradict each other. The
	// block was freed, merged and handed out as part of another block, or its neighbour is
	// being freed right now.
	Inconsistent
	// CacheUnseen: the block may be in a thread's cache that was not found.
	CacheUnseen
	// FastbinUnseen: the block may be in a fastbin that was not read to the end.
	FastbinUnseen
)

func (r Reason) String() string {
	return [...]string{
		"none", "next says free", "header changed", "next changed", "merged", "inside", "beyond top", "tcache", "fastbin", "unmapped", "no page",
		"not a chunk", "unreadable", "inconsistent", "cache unseen", "fastbin unseen",
	}[r]
}

// Verdict is the result of Check for a block.
type Verdict struct {
	State  State
	Reason Reason
}

// Checker tells whether blocks of a process are still in use, from outside, while the process
// runs.
//
// It never calls a block in use free. Each rule holds at every moment of a block's life or is
// confirmed by reading again, and no rule relies only on what the block contains. Conversely,
// a freed block may pass as in use for as long as the memory around it looks as it did, until
// Verify walks over its heap. Inconsistent, CacheUnseen and the like say where that was
// noticed. A block in use is Inconsistent only for moments: check again.
//
// Blocks of another libc in the process (dlmopen) are judged as well, except those in its
// caches and fastbins, which pass as in use.
//
// A Checker keeps what it needs from one Check to the next, so that a check allocates nothing
// per block. It is not safe for concurrent use, neither by itself nor together with its Heap's
// own methods.
type Checker struct {
	h  *Heap
	rd reader

	blocks   []Block
	verdicts []Verdict
	views    []view
	which    []int32 // indices of the blocks that a step works on
	again    []view

	tops    tops
	merges  []merge
	wanted  map[uint64]int32 // addresses looked for in lists, to indices
	hits    []hit
	caches  caches
	fasts   []fastLink
	threads threads
	maps    mappings
	walk    chunkWalk
	// findThreads fills threads.
	findThreads func() error
	// between waits between the two walks of Verify.
	between func() bool
}

// NewChecker returns a checker for the blocks of a heap.
func NewChecker(h *Heap) *Checker {
	c := &Checker{
		h: h, rd: reader{mem: h.mem},
		tops:   tops{heaps: make(map[uint64]uint64)},
		wanted: make(map[uint64]int32),
		maps: mappings{open: func(file string) (io.ReadCloser, error) {
			return os.Open(fmt.Sprintf("/proc/%d/%s", h.PID, file))
		}},
	}
	c.findThreads = func() error { return c.threads.find(h.PID, &c.rd) }
	c.walk = chunkWalk{mem: h.mem}
	c.between = func() bool { return movedOn(h.PID) }
	return c
}

// Check writes the verdict of each block to verdicts, which must have the same length. No
// address may occur twice. An error means that the process has ended, may no longer be read,
// or runs another program; all verdicts are then Unknown.
//
// BenchmarkCheck measures the cost. Most of it is the time that the kernel takes to read from
// each block's page.
func (c *Checker) Check(blocks []Block, verdicts []Verdict) error {
	if len(blocks) != len(verdicts) {
		return fmt.Errorf("check %d blocks: room for %d verdicts", len(blocks), len(verdicts))
	}
	if len(blocks) == 0 {
		return nil
	}
	clear(verdicts)
	return c.judge(blocks, verdicts, c.check)
}

// judge returns the verdicts of look, or none if the process turns out to have ended.
func (c *Checker) judge(blocks []Block, verdicts []Verdict, look func() error) error {
	c.blocks, c.verdicts = blocks, verdicts
	err := look()
	if err == nil {
		err = c.h.alive()
	}
	c.blocks, c.verdicts = nil, nil
	if err != nil {
		clear(verdicts)
		return fmt.Errorf("check blocks of process %d: %w", c.h.PID, err)
	}
	return nil
}

func (c *Checker) check() error {
	c.neighbours()
	if err := c.readArenas(); err != nil {
		return err
	}
	c.beyondTop()
	c.merged()
	if err := c.inCaches(); err != nil {
		return err
	}
	c.inFastbins()
	return c.unmapped()
}

// set sets the verdict of block i.
func (c *Checker) set(i int32, s State, r Reason) { c.verdicts[i] = Verdict{s, r} }

// reader collects pieces of memory to read them at once.
type reader struct {
	mem   memory
	spans []span
	buf   []byte
}

// reset forgets what was read.
func (r *reader) reset() { r.spans, r.buf = r.spans[:0], r.buf[:0] }

// ask adds n bytes at an address. read fills them into spans[i].
func (r *reader) ask(addr uint64, n int) (i int) {
	if cap(r.buf)-len(r.buf) < n {
		// The pieces asked for so far stay where they are.
		r.buf = make([]byte, 0, 2*cap(r.buf)+max(n, 4096))
	}
	end := len(r.buf) + n
	r.spans = append(r.spans, span{Addr: addr, Buf: r.buf[len(r.buf):end:end]})
	r.buf = r.buf[:end]
	return len(r.spans) - 1
}

// askOwn is ask for libc's data.
func (r *reader) askOwn(addr uint64, n int) int {
	i := r.ask(addr, n)
	r.spans[i].Own = true
	return i
}

func (r *reader) read() { r.mem.Read(r.spans) }
