package process

import (
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"memtrace/symbolize/unwind"
	"memtrace/tracer/event"
	"memtrace/tracer/probe"
)

// Stacks that met code without tables are unwound once the tables are there: see bpf/late.h.

// lateStack is what came of such a stack.
type lateStack struct {
	id     event.StackID
	pid    uint32
	time   uint64
	frames []uint64 // up to the one that the registers are of
	regs   unwind.Registers
	base   uint64 // address of data
	data   []byte
}

// maxLateBytes bounds the memory of stacks that wait.
const maxLateBytes = 64 << 20

// lateStacks are the stacks that wait. coming, by thread, belongs to the reader: a stack is
// complete when something else comes from its thread.
type lateStacks struct {
	coming map[uint32]*lateStack
	// codeSeen is the number of the last file mapped as code whose event was applied.
	codeSeen atomic.Uint32
	// readUpTo is a time (ns): all events from before were applied.
	readUpTo atomic.Uint64
	// before is when Read was last called (ns). It belongs to the reader.
	before uint64

	mu    sync.Mutex
	ready []*lateStack
	bytes int
	// code are the files that were mapped as code, by process, in order of time. An exec replaces
	// everything.
	code map[uint32][]codeEvent
}

// codeEvent says that code was mapped.
type codeEvent struct {
	addresses
	time uint64
}

// maxCodeEvents bounds what is remembered of when code was mapped.
const maxCodeEvents = 4096

// take takes an event of the ring. It returns true when a stack is complete.
func (l *lateStacks) take(ev *event.Event) (complete bool) {
	if len(l.coming) == 0 && (ev.Kind != event.Stack || ev.Flags&event.Later == 0) {
		return false
	}
	s := l.coming[ev.TID]
	if ev.Kind == event.Rest {
		if s != nil && s.id == ev.Stack && (len(s.data) == 0 || s.base+uint64(len(s.data)) == ev.Addr) {
			if len(s.data) == 0 {
				s.base, s.regs.SP, s.regs.BP = ev.Addr, ev.SP, ev.BP
			}
			s.data = append(s.data, ev.Data...)
		}
		return false
	}
	if s != nil {
		delete(l.coming, ev.TID)
		l.add(s)
		complete = true
	}
	if ev.Kind == event.Stack && ev.Flags&event.Later != 0 && len(ev.Frames) > 0 {
		if l.coming == nil {
			l.coming = make(map[uint32]*lateStack)
		}
		l.coming[ev.TID] = &lateStack{
			id: ev.Stack, pid: ev.PID, time: ev.Time, frames: slices.Clone(ev.Frames),
			regs: unwind.Registers{IP: ev.Frames[len(ev.Frames)-1]},
		}
	}
	return complete
}

// add lets a stack wait.
func (l *lateStacks) add(s *lateStack) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bytes += len(s.data); l.bytes > maxLateBytes {
		l.bytes -= len(s.data)
		return // it stays cut
	}
	l.ready = append(l.ready, s)
}

// mapped notes that a file was mapped as code.
func (l *lateStacks) mapped(ev *event.Event) {
	l.note(ev.PID, codeEvent{addresses{ev.Addr, ev.Addr + ev.Size}, ev.Time})
	l.codeSeen.Store(max(l.codeSeen.Load(), ev.Number))
}

// execed notes that a process has executed another program.
func (l *lateStacks) execed(ev *event.Event) {
	l.note(ev.PID, codeEvent{addresses{0, math.MaxUint64}, ev.Time})
}

func (l *lateStacks) note(pid uint32, e codeEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.code == nil {
		l.code = make(map[uint32][]codeEvent)
	}
	events := append(l.code[pid], e)
	l.code[pid] = events[max(0, len(events)-maxCodeEvents):]
}

// forget drops what is known of the code of a process that has ended.
func (l *lateStacks) forget(pid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.code, pid)
}

// around returns when what a process had at an address at a time was mapped, 0 if that was before
// the trace, and when it was replaced, the end of time if it was not.
func (l *lateStacks) around(pid uint32, addr, time uint64) (since, until uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until = math.MaxUint64
	for _, e := range l.code[pid] {
		switch {
		case addr < e.start || addr >= e.end:
		case e.time <= time:
			since = e.time
		default:
			return since, e.time
		}
	}
	return since, until
}

// takeReady returns the stacks that wait.
func (l *lateStacks) takeReady() []*lateStack {
	l.mu.Lock()
	defer l.mu.Unlock()
	ready := l.ready
	l.ready, l.bytes = nil, 0
	return ready
}

// seenCode is code with a table that was seen to be mapped at some moment from one time to another.
type seenCode struct {
	probe.Mapped
	from, to uint64
}

// maxSeen bounds the mappings that are remembered.
const maxSeen = 8192

// look is a look at what may have changed in a process's code, from one time to another.
type look struct {
	change   *codeChange
	from, to uint64
}

// noteTables remembers what a look found. What was seen before is noted again if code was mapped
// there since.
func (g *Group) noteTables(p *Process, l look) {
	for _, m := range g.tables.Mappings(uint32(p.pid)) {
		if !l.change.covers(m.Start, m.End) {
			continue
		}
		last := slices.IndexFunc(p.seen, func(c seenCode) bool { return c.Mapped == m })
		if last >= 0 {
			if since, _ := g.late.around(uint32(p.pid), m.Start, math.MaxUint64); since <= p.seen[last].from {
				continue
			}
		}
		p.seen = slices.Insert(p.seen, 0, seenCode{m, l.from, l.to}) // the newest come first
	}
	p.seen = p.seen[:min(len(p.seen), maxSeen)]
	p.looked = l.to
}

// covers reports whether a look at what has changed saw a mapping.
func (c *codeChange) covers(start, end uint64) bool {
	return c.all || slices.ContainsFunc(c.ranges, func(r addresses) bool { return r.start < end && start < r.end })
}

// codeAt returns the code that a process had at an address at a time, nil if nobody has seen it.
func (g *Group) codeAt(p *Process, pc, time uint64) *probe.Mapped {
	since, until := g.late.around(uint32(p.pid), pc, time)
	for i := range p.seen {
		if c := &p.seen[i]; c.Start <= pc && pc < c.End && c.from >= since && c.to < until {
			return &c.Mapped
		}
	}
	return nil
}

// Read says that events were applied. caughtUp means that these were all that there were when it was
// called before.
func (g *Group) Read(caughtUp bool) {
	if caughtUp {
		g.late.readUpTo.Store(g.late.before)
	}
	g.late.before = event.Now()
	g.late.mu.Lock()
	waiting := len(g.late.ready) > 0
	g.late.mu.Unlock()
	if waiting {
		g.follower.poke()
	}
}

// unwindLate goes on with the stacks that wait. Unless nothing more will be seen, those through code
// that was not seen yet wait on. What has happened up to the last look must be known: what was
// seen then may have been mapped after a stack was read.
func (g *Group) unwindLate(last bool) {
	var early []*lateStack
	for _, s := range g.late.takeReady() {
		p := g.procs.of(s.pid)
		if p == nil {
			continue
		}
		if p.looked > g.late.readUpTo.Load() && !last {
			early = append(early, s)
			continue
		}
		frames, truncated, unseen := g.follow(p, s)
		if unseen && !last {
			early = append(early, s)
			continue
		}
		g.book.Unwound(s.id, frames, truncated)
	}
	for _, s := range early {
		g.late.add(s)
	}
}

// follow returns all frames of a stack, and whether there are more. unseen means that it led to code
// that was mapped during the trace, and not seen.
func (g *Group) follow(p *Process, s *lateStack) (frames []uint64, truncated, unseen bool) {
	read := func(addr uint64) (uint64, bool) {
		if at := addr - s.base; at < uint64(len(s.data)) && uint64(len(s.data))-at >= 8 {
			return binary.LittleEndian.Uint64(s.data[at:]), true
		}
		return 0, false
	}
	frames, regs := slices.Clone(s.frames), s.regs
	for len(frames) < event.MaxFrames {
		code := g.codeAt(p, regs.IP-1, s.time)
		if code == nil {
			since, _ := g.late.around(s.pid, regs.IP-1, s.time)
			return frames, true, since > 0
		}
		switch g.tables.Rule(code, regs.IP-1).Caller(&regs, read) {
		case unwind.Outermost:
			return frames, false, false
		case unwind.More:
			frames = append(frames, regs.IP)
		default:
			return frames, true, false
		}
	}
	return frames, true, false
}
