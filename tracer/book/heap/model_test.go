package heap

import (
	"slices"

	"memtrace/tracer/event"
)

// model is a Heap written without regard to cost: it keeps every allocation ever made, with
// its state.
type model struct {
	blocks []*modelBlock
	procs  map[uint32]*modelProcess
	// inside is what each thread has inside realloc. failed holds failed reallocs whose entry
	// was not seen.
	inside map[thread]*modelRealloc
	failed map[thread]failure
	tombs  map[address]*tombstone
	// evicted holds the allocation times of blocks whose address another block took.
	evicted map[address][]uint64
	gap     uint64
	now     uint64
}

type state string

const (
	isLive, isFreed, isDropped, isInside state = "live", "freed", "dropped", "inside"
)

type modelBlock struct {
	address
	size, time uint64
	stack      event.StackID
	state      state
}

type modelRealloc struct {
	addr, entered uint64
	block         *modelBlock // nil if it was unknown
	old           *modelOld   // nil unless it counts as unknown
}

type modelProcess struct {
	Counters
	olds        []*modelOld
	execed, gap uint64
	exited      bool
}

func newModel() *model {
	return &model{
		procs:  map[uint32]*modelProcess{},
		inside: map[thread]*modelRealloc{},
		failed: map[thread]failure{},
		tombs:  map[address]*tombstone{},

		evicted: map[address][]uint64{},
	}
}

func (m *model) proc(pid uint32) *modelProcess {
	if m.procs[pid] == nil {
		m.procs[pid] = &modelProcess{gap: m.gap}
	}
	return m.procs[pid]
}

func (m *model) live(a address) *modelBlock {
	for _, b := range m.blocks {
		if b.address == a && b.state == isLive {
			return b
		}
	}
	return nil
}

// drop takes a block about which nothing can be said any more.
func (m *model) drop(b *modelBlock) {
	p := m.proc(b.pid)
	b.state = isDropped
	if b.time > p.execed {
		p.Dropped.Add(b.size)
	}
}

// settle frees what t has inside realloc, if it was entered no later than time.
func (m *model) settle(t thread, time uint64) {
	if r := m.inside[t]; r != nil && r.entered <= time {
		if r.block != nil {
			r.block.state = isFreed
		}
		delete(m.inside, t)
	}
}

// enter starts the realloc r of t, unless t has a later one.
func (m *model) enter(t thread, r *modelRealloc) {
	m.settle(t, r.entered)
	if m.inside[t] == nil {
		m.inside[t] = r
	} else if r.block != nil {
		r.block.state = isFreed
	}
}

// end ends b by the late free tomb.
func (m *model) end(b *modelBlock, tomb tombstone) {
	if !tomb.realloc {
		b.state = isFreed
		return
	}
	b.state = isInside
	m.enter(thread{b.pid, tomb.tid}, &modelRealloc{b.addr, tomb.time, b, nil})
}

// appear makes b live, or whatever is already known to have become of it.
func (m *model) appear(b *modelBlock) {
	p := m.proc(b.pid)
	if b.time <= p.execed || b.time <= p.gap {
		m.drop(b)
		return
	}
	if tomb := m.tombs[b.address]; tomb != nil {
		if b.time <= tomb.time {
			tomb.claimed = true
			m.end(b, *tomb)
			return
		}
		m.bringUp(b.address)
	}
	if old := m.live(b.address); old != nil {
		old.state = isFreed
		m.evict(old)
	}
	b.state = isLive
}

func (m *model) evict(b *modelBlock) {
	m.proc(b.pid).Evicted++
	m.evicted[b.address] = append(m.evicted[b.address], b.time)
}

// bringUp forgets a tombstone.
func (m *model) bringUp(a address) {
	switch tomb := m.tombs[a]; {
	case tomb.claimed:
	case tomb.evicted:
		m.proc(a.pid).UnknownFree++
	default:
		m.freeUnknown(a.pid, tomb.chunk)
	}
	delete(m.tombs, a)
}

func (m *model) remove(ev *event.Event, to state) (*modelBlock, *modelOld) {
	a := address{ev.Addr, ev.PID}
	b := m.live(a)
	if b != nil {
		b.state = to
	} else if tomb := m.tombs[a]; tomb == nil || !tomb.claimed || ev.Time > tomb.time {
		return nil, m.freeUnknown(ev.PID, ev.Size)
	}
	return b, nil
}

func (m *model) apply(ev *event.Event) {
	m.now = max(m.now, ev.Time)
	p, t := m.proc(ev.PID), thread{ev.PID, ev.TID}
	switch ev.Kind {
	case event.Alloc, event.Realloc:
		if ev.Kind == event.Alloc {
			p.Alloc++
		} else {
			p.Realloc++
		}
		m.settle(t, ev.Time)
		if ev.Addr != 0 {
			b := &modelBlock{address{ev.Addr, ev.PID}, ev.Size, ev.Time, ev.Stack, ""}
			m.blocks = append(m.blocks, b)
			m.appear(b)
		}
	case event.Free:
		p.Free++
		if ev.Addr != 0 {
			m.remove(ev, isFreed)
		}
	case event.ReallocEnter:
		m.settle(t, ev.Time)
		if ev.Addr != 0 {
			b, old := m.remove(ev, isInside)
			m.enter(t, &modelRealloc{ev.Addr, ev.Time, b, old})
		}
	case event.ReallocFail:
		if ev.Addr != 0 {
			m.fail(p, t, ev)
		}
	case event.Exec:
		m.exec(p, ev)
	case event.Exit:
		p.exited = true
		for t := range m.inside {
			if t.pid == ev.PID {
				m.settle(t, ^uint64(0))
			}
		}
		m.forget(ev.PID)
	}
}

func (m *model) fail(p *modelProcess, t thread, ev *event.Event) {
	a := address{ev.Addr, ev.PID}
	tomb := m.tombs[a]
	entry := tomb != nil && tomb.realloc && tomb.tid == ev.TID && tomb.time <= ev.Time
	if entry {
		if !tomb.claimed {
			p.UnknownFree++
		}
		delete(m.tombs, a)
	}
	r := m.inside[t]
	if r == nil || r.entered > ev.Time || r.addr != ev.Addr {
		m.settle(t, ev.Time)
		if !entry {
			m.failed[t] = failure{ev.Addr, ev.Time}
		}
		return
	}
	delete(m.inside, t)
	if r.block == nil {
		if r.old != nil {
			r.old.failed = true
		}
		return
	}
	if m.live(r.block.address) != nil {
		r.block.state = isFreed
		m.evict(r.block)
		return
	}
	m.appear(r.block)
}

func (m *model) exec(p *modelProcess, ev *event.Event) {
	p.execed, p.exited = max(p.execed, ev.Time), false
	p.olds = nil
	for t, r := range m.inside {
		if t.pid == ev.PID && r.entered <= ev.Time {
			if r.block != nil {
				m.drop(r.block)
			}
			delete(m.inside, t)
		}
	}
	m.forget(ev.PID)
	for a, tomb := range m.tombs {
		if a.pid == ev.PID && tomb.time <= ev.Time {
			delete(m.tombs, a)
		}
	}
	for _, b := range m.blocks {
		if b.pid == ev.PID && b.state == isLive && b.time <= p.execed {
			m.drop(b)
		}
	}
}

func (m *model) forget(pid uint32) {
	for t := range m.failed {
		if t.pid == pid {
			delete(m.failed, t)
		}
	}
}

func (m *model) lateFree(ev *event.Event) {
	pid, addr, time, realloc, tid := ev.PID, ev.Addr, ev.Time, ev.Kind == event.ReallocEnter, ev.TID
	m.now = max(m.now, time)
	p, a, t := m.proc(pid), address{addr, pid}, thread{pid, tid}
	if !realloc {
		p.Free++
	}
	if addr == 0 || time <= p.execed {
		return
	}
	if f, ok := m.failed[t]; ok && realloc && f.addr == addr && f.time >= time {
		delete(m.failed, t)
		return
	}
	tomb := tombstone{time: time, realloc: realloc, tid: tid, chunk: ev.Size}
	if times := m.evicted[a]; len(times) > 0 && slices.Min(times) <= time {
		p.Evicted -= uint64(len(times))
		delete(m.evicted, a)
		tomb.evicted = true
	}
	if b := m.live(a); b != nil {
		if b.time > time {
			return
		}
		// Blocks that came and went between b and the free may still be in the ring.
		m.end(b, tomb)
		tomb.claimed = true
	}
	if old := m.tombs[a]; old != nil {
		if old.time >= time {
			return
		}
		tomb.claimed = tomb.claimed || old.claimed
	}
	m.tombs[a] = &tomb
}

func (m *model) caughtUp(time uint64) {
	for a, tomb := range m.tombs {
		if tomb.time < time {
			m.bringUp(a)
		}
	}
}

func (m *model) lost(pid uint32, time uint64) {
	m.now = max(m.now, time)
	if pid == 0 {
		m.gap = max(m.gap, time)
	} else {
		m.proc(pid).olds = nil
	}
	for other, p := range m.procs {
		if pid == 0 || pid == other {
			p.gap = max(p.gap, time)
		}
	}
	for _, b := range m.blocks {
		if (pid == 0 || b.pid == pid) && b.state == isLive && b.time <= time {
			m.drop(b)
		}
	}
}
