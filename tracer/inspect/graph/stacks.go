package graph

import (
	"cmp"
	"fmt"
	"slices"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/inspect/census"
)

// threadAreas adds stacks, thread-local variables and registers, and takes their memory out of what
// is left for other roots.
func (p *process) threadAreas() {
	slices.SortFunc(p.threads, func(a, b thread) int { return cmp.Compare(a.pointer, b.pointer) })
	for i := range p.threads {
		t := &p.threads[i]
		low := t.pointer
		if t.pointer != 0 {
			low = p.tls(t)
		}
		p.stack(t, low)
		if len(t.registers) > 0 {
			name := fmt.Sprintf("registers of %s", t)
			p.list = append(p.list, area{
				class: Registers, words: t.registers,
				name: named(Root{Class: Registers, Name: name, TID: t.tid}, 0, uint64(len(t.registers))),
			})
		}
	}
}

// String names a thread.
func (t *thread) String() string {
	if t.name == "" {
		return fmt.Sprintf("thread %d", t.tid)
	}
	return fmt.Sprintf("thread %d (%s)", t.tid, t.name)
}

func (p *process) take(start, end uint64) {
	p.taken = append(p.taken, census.Range{Start: start, End: end})
}

// stack adds the stack of a thread. What is below its stack pointer is left by functions that have
// returned, and no root, if it is known that the memory serves for nothing else: the kernel's stack
// of the first thread, or memory that ends with the thread's descriptor and begins behind a guard,
// as glibc makes it (nptl/allocatestack.c).
func (p *process) stack(t *thread, low uint64) {
	if t.tid == p.pid {
		if i := slices.IndexFunc(p.symbols.Maps, func(m procmaps.Mapping) bool { return m.Path == "[stack]" }); i >= 0 {
			m := &p.symbols.Maps[i]
			p.stackArea(t, m.Start, m.End, t.stack)
			return
		}
	}
	if m := p.symbols.Mapping(t.pointer); m != nil && t.pointer != 0 && m.Perms&procmaps.Shared == 0 {
		if start, ok := p.guarded(m); ok && start < low && (t.stack == 0 || t.stack >= start && t.stack < low) {
			p.stackArea(t, start, low, t.stack)
			return
		}
	}
	// All of the memory that it is in is looked at.
	if m := p.symbols.Mapping(t.stack); m != nil && t.stack != 0 && m.Perms&procmaps.Shared == 0 && m.Path == "" && !p.stacks[m.Start] {
		p.stacks[m.Start] = true
		p.stackArea(t, m.Start, m.End, 0)
	}
}

// guarded returns where a mapping that may be a stack begins, if that is behind a guard. A mapping
// that has guards within it (glibc 2.42), or other threads' stacks, is not known to be one stack.
func (p *process) guarded(m *procmaps.Mapping) (start uint64, ok bool) {
	threads := 0
	for i := range p.threads {
		if t := p.threads[i].pointer; t >= m.Start && t < m.End {
			threads++
		}
	}
	below := p.symbols.Mapping(m.Start - 1)
	return m.Start, threads == 1 && below != nil && below.Perms.None() && m.Path == ""
}

// stackArea adds [start, end) from the stack pointer on, from start on if that is not known.
func (p *process) stackArea(t *thread, start, end, pointer uint64) {
	from := start
	if pointer >= start && pointer < end {
		from = max(start, pointer-redZone)
	}
	name := fmt.Sprintf("stack of %s", t)
	if t.tid == p.pid {
		name += ", the first"
	}
	root := named(Root{Class: Stack, Name: name, Addr: from, TID: t.tid}, from, end)
	for _, r := range without(census.Range{Start: from, End: end}, p.heaps) {
		p.own(r, func(r census.Range) {
			p.list = append(p.list, area{start: r.Start, end: r.End, class: Stack, name: root})
		})
	}
	p.take(start, end)
}
