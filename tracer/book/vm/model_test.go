package vm

import (
	"cmp"
	"slices"

	"memtrace/tracer/event"
)

// model is a Ledger written without regard to cost: an address space is an array of pages,
// each of which knows its mapping.
type model struct {
	spaces   map[uint32]*modelSpace
	mappings []*modelMapping
	calls    map[thread][]*modelCall
	outcomes map[thread]*modelOutcome
	now      uint64
}

func newModel() *model {
	return &model{
		spaces:   map[uint32]*modelSpace{},
		calls:    map[thread][]*modelCall{},
		outcomes: map[thread]*modelOutcome{},
	}
}

// numPages is the size of an address space.
const numPages = 32

type modelSpace struct {
	Counters
	pages       [numPages]*modelMapping
	late        []*modelLate
	gap, execed uint64
	exited      bool
}

type modelMapping struct {
	pid         uint32
	stack       event.StackID
	time, bytes uint64
	dropped     bool
}

// modelCall is a munmap or mremap that may still fail, and what it has taken.
type modelCall struct {
	addr, time                  uint64
	mremap, known, failed, late bool
	taken                       []takenPage
}

type takenPage struct {
	page int
	of   *modelMapping
}

// modelLate is a late unmap with which the ring has not caught up.
type modelLate struct {
	*modelCall
	pages []int
	keeps bool
}

// modelOutcome is the end of a call whose entry was not seen.
type modelOutcome struct {
	addr, time     uint64
	mremap, failed bool
	guess          []takenPage
}

func (m *model) space(pid uint32) *modelSpace {
	if m.spaces[pid] == nil {
		m.spaces[pid] = &modelSpace{}
	}
	return m.spaces[pid]
}

// span returns the numbers of the pages that hold size bytes at addr.
func span(addr, size uint64) (pages []int) {
	for p := addr / pageSize; p*pageSize < addr+size; p++ {
		pages = append(pages, int(p))
	}
	return pages
}

// take removes what was mapped in pages up to the time until.
func (sp *modelSpace) take(pages []int, until uint64) (taken []takenPage) {
	for _, p := range pages {
		if mm := sp.pages[p]; mm != nil && mm.time <= until {
			taken = append(taken, takenPage{p, mm})
			sp.pages[p] = nil
		}
	}
	return taken
}

// put maps a page, and lets the late unmaps end it that are not older.
func (sp *modelSpace) put(p int, mm *modelMapping) {
	sp.pages[p] = mm
	byTime := slices.Clone(sp.late)
	slices.SortStableFunc(byTime, func(a, b *modelLate) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.pages[0], b.pages[0]))
	})
	for _, u := range byTime {
		if !u.failed {
			sp.end(u)
		}
	}
}

func (sp *modelSpace) end(u *modelLate) {
	if u.keeps {
		for _, p := range u.pages {
			mm := sp.pages[p]
			u.known = u.known || mm != nil && mm.time <= u.time
		}
		return
	}
	u.taken = append(u.taken, sp.take(u.pages, u.time)...)
	u.known = u.known || len(u.taken) > 0
}

func (sp *modelSpace) giveBack(taken []takenPage) {
	for _, t := range taken {
		if sp.pages[t.page] == nil && t.of.time > sp.gap && t.of.time > sp.execed {
			sp.put(t.page, t.of)
		}
	}
}

func (m *model) add(sp *modelSpace, ev *event.Event, own bool) {
	pages := span(ev.Addr, ev.Size)
	sp.take(pages, ^uint64(0))
	if !own || len(pages) == 0 {
		return
	}
	mm := &modelMapping{pid: ev.PID, stack: ev.Stack, time: ev.Time, bytes: uint64(len(pages)) * pageSize}
	m.mappings = append(m.mappings, mm)
	if ev.Time <= sp.gap {
		mm.dropped = true
		sp.Dropped.Add(mm.bytes)
		return
	}
	for _, p := range pages {
		sp.put(p, mm)
	}
}

// lastCall returns the last call that t began up to time, and forgets it and all before it.
// Among calls of equal time, a late one is the last.
func (m *model) lastCall(t thread, time uint64) (last *modelCall) {
	var later []*modelCall
	for _, c := range m.calls[t] {
		switch {
		case c.time > time:
			later = append(later, c)
		case last == nil || c.time > last.time || c.time == last.time && (c.late || !last.late):
			last = c
		}
	}
	m.calls[t] = later
	return last
}

func (m *model) fail(sp *modelSpace, ev *event.Event, c *modelCall, mremap bool) bool {
	if c == nil || c.addr != ev.Addr || c.mremap != mremap {
		m.outcomes[thread{ev.PID, ev.TID}] = &modelOutcome{ev.Addr, ev.Time, mremap, true, nil}
		return false
	}
	c.failed = true
	sp.giveBack(c.taken)
	return true
}

func (m *model) apply(ev *event.Event) {
	m.now = max(m.now, ev.Time)
	sp, t := m.space(ev.PID), thread{ev.PID, ev.TID}
	last := m.lastCall(t, ev.Time)
	switch ev.Kind {
	case event.Mmap:
		sp.Mmap++
		m.add(sp, ev, ev.Flags == 0 && (ev.Arg>>32&0x20 != 0 || ev.Arg>>32&0x800 == 0))
	case event.Munmap:
		sp.Munmap++
		c := &modelCall{addr: ev.Addr, time: ev.Time, taken: sp.take(span(ev.Addr, ev.Size), ^uint64(0))}
		m.calls[t] = append(m.calls[t], c)
	case event.MunmapFail:
		if m.fail(sp, ev, last, false) {
			sp.Munmap--
		}
	case event.MremapEnter:
		c := &modelCall{addr: ev.Addr, time: ev.Time, mremap: true}
		for _, p := range span(ev.Addr, max(ev.Size, 1)) {
			c.known = c.known || sp.pages[p] != nil
		}
		if ev.Arg&4 == 0 {
			c.taken = sp.take(span(ev.Addr, ev.Size), ^uint64(0))
		}
		m.calls[t] = append(m.calls[t], c)
	case event.Mremap:
		sp.Mremap++
		m.mremap(sp, ev, last)
	case event.MremapFail:
		m.fail(sp, ev, last, true)
	case event.Brk:
		sp.Brk++
	case event.Mprotect:
		sp.Mprotect++
	case event.Exec, event.Exit:
		for t := range m.calls {
			if t.pid == ev.PID {
				m.lastCall(t, ev.Time)
			}
		}
		sp.exited = ev.Kind == event.Exit
		if ev.Kind == event.Exec {
			m.exec(sp, ev.Time)
		}
	}
}

func (m *model) mremap(sp *modelSpace, ev *event.Event, c *modelCall) {
	known := false
	if c != nil && c.mremap && c.addr == ev.Arg {
		known = c.known
	} else {
		o := &modelOutcome{addr: ev.Arg, time: ev.Time, mremap: true}
		first := int(ev.Arg / pageSize)
		mm := sp.pages[first]
		for p := first; mm != nil && p < numPages && sp.pages[p] == mm; p++ {
			o.guess = append(o.guess, sp.take([]int{p}, ^uint64(0))...)
		}
		known = mm != nil
		m.outcomes[thread{ev.PID, ev.TID}] = o
	}
	m.add(sp, ev, known && ev.Flags == 0)
}

func (m *model) exec(sp *modelSpace, time uint64) {
	sp.execed = max(sp.execed, time)
	for p, mm := range sp.pages {
		if mm != nil {
			mm.dropped = true
			sp.pages[p] = nil
		}
	}
	sp.late = slices.DeleteFunc(sp.late, func(u *modelLate) bool { return u.time <= time })
}

func (m *model) lateUnmap(ev *event.Event) {
	addr, size, time, mremap := ev.Addr, ev.Size, ev.Time, ev.Kind == event.MremapEnter
	m.now = max(m.now, time)
	sp, t := m.space(ev.PID), thread{ev.PID, ev.TID}
	o := m.outcomes[t]
	if o != nil && (o.addr != addr || o.mremap != mremap || o.time < time) {
		o = nil
	}
	if o != nil {
		delete(m.outcomes, t)
		if o.failed {
			return
		}
	}
	if !mremap {
		sp.Munmap++
	}
	if time <= sp.execed {
		return
	}
	u := &modelLate{&modelCall{addr: addr, time: time, mremap: mremap, late: true}, span(addr, size), false}
	if mremap && size == 0 {
		u.pages, u.keeps = span(addr, 1), true
	}
	u.keeps = u.keeps || ev.Arg&4 != 0
	if o == nil {
		m.calls[t] = append(m.calls[t], u.modelCall)
	} else {
		sp.giveBack(o.guess)
	}
	if len(u.pages) > 0 {
		sp.end(u)
		sp.late = append(sp.late, u)
	}
}

func (m *model) caughtUp(time uint64) {
	for _, sp := range m.spaces {
		sp.late = slices.DeleteFunc(sp.late, func(u *modelLate) bool { return u.time <= time })
	}
	for t, o := range m.outcomes {
		if o.time <= time {
			delete(m.outcomes, t)
		}
	}
}

func (m *model) lost(pid uint32, time uint64) {
	sp := m.space(pid)
	sp.gap = max(sp.gap, time)
	for _, r := range sp.runs() {
		if r.of.time <= sp.gap {
			r.of.dropped = true
			sp.Dropped.Add(r.bytes())
			sp.take(span(r.start, r.bytes()), ^uint64(0))
		}
	}
	m.now = max(m.now, time)
}
