package ptmalloc

import (
	"fmt"
	"io"
	"os"
)

// Block is a block that malloc handed out: its address and the header that it
// had then.
type Block struct {
	Address uint64
	Header  Header
}

// State is what Check found out about a block.
type State uint8

const (
	// Unknown: neither can be told; Verdict.Reason has why.
	Unknown State = iota
	// InUse: nothing says that the block was freed. It may have been, and its
	// memory handed out again with the same header, which cannot be told.
	InUse
	// Free: the block that was handed out is none any more.
	Free
)

func (s State) String() string { return [...]string{"unknown", "in use", "free"}[s] }

// Reason is what tells a block's state. None for a block in use.
type Reason uint8

const (
	None Reason = iota

	// NextSaysFree: the chunk behind it says that the one before is free.
	NextSaysFree
	// HeaderChanged: its header has another size, or other flags: the chunk was
	// merged, split, handed out anew, or resized by a realloc, which makes it
	// another block even where it stays in its place.
	HeaderChanged
	// NextChanged: what is behind it is no chunk any more.
	NextChanged
	// Merged: it lies within a larger chunk that is in a bin.
	Merged
	// Inside: it lies within a larger chunk, by the sizes of all chunks before
	// (Verify).
	Inside
	// BeyondTop: it lies in its arena's last chunk, or beyond that.
	BeyondTop
	// Tcache: it is in the list of a thread's cache.
	Tcache
	// Fastbin: it is in the list of a fastbin.
	Fastbin
	// Unmapped: there is no mapping at its address.
	Unmapped
	// NoPage: there is one, but its page was never written to: it is another
	// mapping, or the page was given back.
	NoPage

	// NotAChunk: malloc cannot have handed out such a block.
	NotAChunk
	// Unreadable: there is a mapping, but not to be read, or userfaultfd may have
	// yet to fill it.
	Unreadable
	// Inconsistent: its header and the chunk before it do not fit together. It
	// was freed, merged and handed out as part of another block, or its
	// neighbour is being freed.
	Inconsistent
	// CacheUnseen: it may be in a thread's cache that was not found.
	CacheUnseen
	// FastbinUnseen: it may be in a fastbin that was not read to the end.
	FastbinUnseen
)

func (r Reason) String() string {
	return [...]string{
		"none", "next says free", "header changed", "next changed", "merged", "inside", "beyond top", "tcache", "fastbin", "unmapped", "no page",
		"not a chunk", "unreadable", "inconsistent", "cache unseen", "fastbin unseen",
	}[r]
}

// Verdict is what Check says of a block.
type Verdict struct {
	State  State
	Reason Reason
}

// Checker tells whether blocks of a process are still in use, from outside,
// while the process runs. A block in use is never called free: each rule is one
// that holds at every moment of a block's life, or is confirmed by reading
// again, and what the block contains is not enough for any. The other way
// round, a freed block may pass as in use for as long as the memory around it
// looks as it did, until Verify walks over its heap; Inconsistent, CacheUnseen and
// the like say where that was noticed. A block in use is Inconsistent for moments
// only: check again.
//
// Blocks of another libc in the process (dlmopen) are told as well, but for those
// in its caches and fastbins, which pass as in use.
//
// It keeps what it needs from one Check to the next, so that a check allocates
// nothing for a block. It is not safe for concurrent use, neither by itself nor
// together with its Heap's own methods.
type Checker struct {
	h  *Heap
	rd reader

	blocks   []Block
	verdicts []Verdict
	views    []view
	which    []int32 // indices of the blocks that a step is about
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

// NewChecker returns a checker of the heap's blocks.
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

// Check tells for each block what it is, into verdicts, which has to be as
// long. No address may be there twice. An error means that the process has
// ended, or may not be read any more, or runs another program: verdicts are
// Unknown then.
//
// BenchmarkCheck has what it costs: most of it is the kernel's time to read from
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

// judge gives the verdicts of look, none where the process turns out to have ended.
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

// set gives a verdict.
func (c *Checker) set(i int32, s State, r Reason) { c.verdicts[i] = Verdict{s, r} }

// reader collects pieces of memory to read them at once.
type reader struct {
	mem   memory
	spans []span
	buf   []byte
}

// reset forgets what was read.
func (r *reader) reset() { r.spans, r.buf = r.spans[:0], r.buf[:0] }

// ask adds n bytes at an address; read fills spans[i].
func (r *reader) ask(addr uint64, n int) (i int) {
	if cap(r.buf)-len(r.buf) < n {
		// What was asked for so far stays where it is.
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
