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
// of the first thread, or what the thread's descriptor has for its stack.
func (p *process) stack(t *thread, low uint64) {
	if t.tid == p.pid {
		if i := slices.IndexFunc(p.symbols.Maps, func(m procmaps.Mapping) bool { return m.Path == "[stack]" }); i >= 0 {
			m := &p.symbols.Maps[i]
			p.stackArea(t, m.Start, m.End, t.stack)
			return
		}
	}
	if start, ok := p.stackBlock(t, low); ok && (t.stack == 0 || t.stack >= start && t.stack < low) {
		p.stackArea(t, start, low, t.stack)
		return
	}
	// All of the memory that it is in is looked at.
	if m := p.symbols.Mapping(t.stack); m != nil && t.stack != 0 && m.Perms&procmaps.Shared == 0 && m.Path == "" && !p.stacks[m.Start] {
		p.stacks[m.Start] = true
		p.stackArea(t, m.Start, m.End, 0)
	}
}

// stackBlock returns where the stack of a thread begins that ends at low. Its descriptor, which is at the
// end of the stack, has three words for that one after the other, wherever they are in it: the start
// of the memory, its size, and the size of the guard at its start (stackblock of struct pthread in glibc's
// nptl/descr.h). The mapping does not tell: what the program has mapped below is one with it for the
// kernel, if the program gave the memory itself (pthread_attr_setstack), wants no guard, or the guard is
// no mapping of its own (glibc 2.42).
func (p *process) stackBlock(t *thread, low uint64) (start uint64, ok bool) {
	m := p.symbols.Mapping(t.pointer)
	if t.pointer == 0 || m == nil || m.Perms&procmaps.Shared != 0 || m.Inode != 0 {
		return 0, false
	}
	const behind = 2 * descriptorSize // the descriptor, and what aligns it
	var buf [descriptorSize]byte
	got := p.walker.Read(t.pointer, buf[:])
	for off := 0; off+3*8 <= got; off += 8 {
		block, size, guard := leWord(buf[off:]), leWord(buf[off+8:]), leWord(buf[off+16:])
		end := block + size
		if block >= low || guard >= low-block || end <= t.pointer || end-t.pointer > behind {
			continue
		}
		if start = block + guard; start >= m.Start {
			return start, true
		}
	}
	return 0, false
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
