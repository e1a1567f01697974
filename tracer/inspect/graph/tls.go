package graph

import (
	"cmp"
	"fmt"
	"slices"

	"memtrace/symbolize"
	"memtrace/tracer/inspect/census"
	"memtrace/tracer/inspect/datasym"
)

// block is a module's thread-local variables in one thread.
type tlsBlock struct {
	module     *datasym.Module
	start, end uint64
}

const (
	// maxStaticTLS is how far below a thread pointer the variables of modules that were there at
	// the start may be, in bytes.
	maxStaticTLS = 1 << 20
	// maxModuleNumber bounds a module's number in a vector of blocks.
	maxModuleNumber = 1 << 16
)

// tls adds the thread-local variables of a thread and its descriptor, and returns where they begin.
// Those of modules that were there at the start are below the thread pointer. Those of others are in
// blocks of the heap, which the thread's vector of blocks leads to.
func (p *process) tls(t *thread) (low uint64) {
	blocks := p.tlsBlocks(t)
	low = t.pointer
	for _, b := range blocks {
		if b.end <= t.pointer && t.pointer-b.start <= maxStaticTLS {
			low = min(low, b.start)
		}
	}
	end := t.pointer + descriptorSize
	if m := p.symbols.Mapping(t.pointer); m != nil {
		end = min(end, m.End)
	}
	whole := Root{Class: TLS, Name: fmt.Sprintf("TLS of %s", t), Addr: low, TID: t.tid}
	name := func(addr uint64) (Root, uint64, uint64) {
		for _, b := range blocks {
			if addr < b.start || addr >= b.end {
				continue
			}
			r := Root{Class: TLS, Name: fmt.Sprintf("TLS of %s in %s", t, b.module.Name), Module: b.module.Name, Addr: b.start, TID: t.tid}
			if v, ok := b.module.ThreadVariable(addr - b.start); ok {
				r.Name, r.Addr = symbolize.DisplayName(v.Name), b.start+v.Addr
				return r, r.Addr, r.Addr + v.Size
			}
			return r, addr, addr + apart
		}
		return whole, addr, addr + 8
	}
	for _, b := range blocks {
		if b.start < low || b.start >= end {
			p.list = append(p.list, area{start: b.start, end: b.end, class: TLS, name: name})
		}
	}
	// This comes last, since the descriptor leads to all of those. Behind it blocks may be mapped.
	for _, r := range without(census.Range{Start: low, End: end}, p.heaps) {
		p.list = append(p.list, area{start: r.Start, end: r.End, class: TLS, name: name})
	}
	p.take(low, end)
	return low
}

// tlsBlocks finds the blocks of all modules in one thread.
func (p *process) tlsBlocks(t *thread) (blocks []tlsBlock) {
	vector, _ := p.word(t.pointer + 8)
	for _, m := range p.symbols.Modules() {
		if m.TLS.Size == 0 {
			continue
		}
		start, ok := p.tlsBlock(t, vector, m)
		if ok && start != 0 && start+m.TLS.Size > start {
			blocks = append(blocks, tlsBlock{m, start, start + m.TLS.Size})
		}
	}
	slices.SortFunc(blocks, func(a, b tlsBlock) int { return cmp.Compare(a.start, b.start) })
	return blocks
}

// tlsBlock finds a module's block: by the module's number in the thread's vector, or by the offset
// of one of its variables from the thread pointer. The executable's block is right below that.
func (p *process) tlsBlock(t *thread, vector uint64, m *datasym.Module) (start uint64, ok bool) {
	l := &m.TLS
	if m.Main {
		return t.pointer - (l.Size+l.Align-1)/l.Align*l.Align, true
	}
	if l.OffsetSlot != 0 {
		if off, ok := p.word(m.Bias + l.OffsetSlot); ok && -off <= maxStaticTLS {
			return t.pointer + off - l.Offset, true
		}
	}
	if l.ModuleSlot == 0 || vector == 0 {
		return 0, false
	}
	number, ok := p.word(m.Bias + l.ModuleSlot)
	if !ok || number == 0 || number > maxModuleNumber {
		return 0, false
	}
	// An entry has the block and what is to be freed. A block that was never used is -1.
	start, ok = p.word(vector + 16*number)
	return start, ok && start+l.Size > start
}
