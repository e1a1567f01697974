package process

import (
	"encoding/binary"
	"hash/maphash"
	"math/rand/v2"
	"time"

	"memtrace/tracer/book/sample"
	"memtrace/tracer/event"
	"memtrace/tracer/process/procmem"
	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/process/target"
)

// verifyInterval is how often, on average, the chunks of a process's heaps are walked to check
// candidates older than settledAge. verifyShare is the most of a processor that these walks
// may take, over all processes.
const (
	verifyInterval = 5 * time.Second
	verifyShare    = 0.003
	settledAge     = 5 * time.Second
)

// printBytes is how many bytes of a block's content go into its fingerprint.
const printBytes = 64

// Evidence is what windows showed of the processes' blocks.
type Evidence interface {
	// Candidates appends to list the blocks of a process to check: those of the last window,
	// or of all. YoungCandidates appends those of the last window, unless more than most of
	// its blocks are still outstanding.
	Candidates(pid uint32, list []sample.Candidate, all bool) []sample.Candidate
	YoungCandidates(pid uint32, list []sample.Candidate, most int) []sample.Candidate
	// Checked takes the result of a check at a time (ns), for the candidates that are known.
	Checked(pid uint32, list []sample.Candidate, time uint64, found func(i int) (known, free bool))
}

// Checker looks at candidates from outside: whether their chunks are free, and whether their
// content has changed. It belongs to the goroutine of the window.Loop.
type Checker struct {
	group    *Group
	evidence Evidence

	list  []sample.Candidate
	spans []procmem.Span
	buf   []byte
	free  []bool
	seed  maphash.Seed
	// memory is the processes' address spaces, by pid.
	memory map[uint32]openMemory
	// verified is when the heaps were last walked, verifyPause how long to wait before the
	// next walk.
	verified    time.Time
	verifyPause time.Duration
}

// openMemory is the address space that a process had with a program, nil if it could not be
// opened so far.
type openMemory struct {
	*procmem.Memory
	of *target.Target
}

// NewChecker returns a Checker of what windows show of a Group's processes.
func NewChecker(g *Group, e Evidence) *Checker {
	return &Checker{group: g, evidence: e, seed: maphash.MakeSeed(), memory: make(map[uint32]openMemory)}
}

// Close releases the address spaces that were opened.
func (c *Checker) Close() {
	for _, m := range c.memory {
		m.close()
	}
	clear(c.memory)
}

func (m openMemory) close() {
	if m.Memory != nil {
		_ = m.Close() // it was only read
	}
}

// Check looks at the candidates of the last window, or at all. It returns how long that took,
// without the heap walks, which have a limit of their own.
func (c *Checker) Check(all bool) time.Duration {
	start := time.Now()
	for pid, m := range c.memory {
		if c.group.procs.of(pid) == nil {
			m.close() // it has left
			delete(c.memory, pid)
		}
	}
	verify := all && start.Sub(c.verified) >= c.verifyPause
	var verifying time.Duration
	for _, p := range c.group.procs.all() {
		pid := uint32(p.pid)
		program, view := p.program()
		c.list = c.evidence.Candidates(pid, c.list[:0], all)
		if len(c.list) == 0 {
			continue
		}
		c.look(program, view)
		time := event.Now()
		if verify {
			verifying += view.findInside(c.list, c.free, time-min(time, uint64(settledAge)))
		}
		c.tell(pid, time)
	}
	if verify {
		interval := max(verifyInterval, time.Duration(float64(verifying)/verifyShare))
		c.verified, c.verifyPause = start, time.Duration(float64(interval)*(0.5+rand.Float64()))
	}
	return time.Since(start) - verifying
}

// Fingerprint reads the contents of the open window's blocks, as long as these are few. It is
// meant for the end of a tail, when their frees are still watched. Otherwise a block could be
// freed before its content is known and allocated again by a stack that leaks: it would pass
// for a leak of the stack that had it first.
func (c *Checker) Fingerprint() {
	const most = 4096 // reading so many takes some ms, in which frees cost the target
	for _, p := range c.group.procs.all() {
		pid := uint32(p.pid)
		program, view := p.program()
		c.list = c.evidence.YoungCandidates(pid, c.list[:0], most)
		if len(c.list) == 0 {
			continue
		}
		c.print(program, view)
		c.tell(pid, event.Now())
	}
}

// look reads the headers and contents of the listed candidates, and finds out which chunks are
// free.
func (c *Checker) look(program *target.Target, view *mallocView) {
	c.print(program, view)
	if !view.findFree(c.list, c.free) {
		return
	}
	for i := range c.list {
		// If a header is already absent at the first look, it was given back with its page. Of
		// a process that has ended nothing is there, so that proves nothing.
		c.free[i] = c.free[i] || !c.list[i].Known && c.spans[i].Absent
	}
}

// print reads the headers and contents of the listed candidates, and marks none of them as
// free.
func (c *Checker) print(program *target.Target, view *mallocView) {
	c.free = append(c.free[:0], make([]bool, len(c.list))...)
	header := 0 // other allocators: what precedes a block is not known
	if view != nil {
		header = ptmalloc.HeaderOffset
	}
	c.read(program, header)
	for i := range c.list {
		l, s := &c.list[i], &c.spans[i]
		if l.Active || !s.OK {
			continue
		}
		if !l.Known && header > 0 {
			l.Header = binary.LittleEndian.Uint64(s.Buf)
		}
		l.Print = maphash.Bytes(c.seed, s.Buf[header:])
	}
}

// read fills the spans, each with header bytes before a block and the first bytes of the
// block.
func (c *Checker) read(program *target.Target, header int) {
	pid := uint32(program.PID)
	m := c.memory[pid]
	if m.Memory == nil || m.of != program {
		m.close()
		opened, _ := procmem.Open(program.PID) // it may be gone: then nothing is known
		m = openMemory{opened, program}
		c.memory[pid] = m
	}
	const most = ptmalloc.HeaderOffset + printBytes
	if n := len(c.list); len(c.buf) < n*most {
		c.buf = make([]byte, n*most)
	}
	c.spans = c.spans[:0]
	for i := range c.list {
		l := &c.list[i]
		if l.Active {
			c.spans = append(c.spans, procmem.Span{}) // its header is known
			continue
		}
		buf := c.buf[i*most:][:uint64(header)+min(l.Size, printBytes)]
		c.spans = append(c.spans, procmem.Span{Addr: l.Address - uint64(header), Buf: buf})
	}
	if m.Memory != nil {
		m.Read(c.spans)
		_ = m.Alive() // ends the snapshot; nothing is read of a process that is gone
	}
}

// tell hands on what was found about the listed candidates.
func (c *Checker) tell(pid uint32, time uint64) {
	c.evidence.Checked(pid, c.list, time, func(i int) (known, free bool) {
		return c.spans[i].OK || c.free[i], c.free[i]
	})
}

// program returns what a process runs now, and its malloc.
func (p *Process) program() (*target.Target, *mallocView) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.target, p.malloc
}
