package graph

import (
	"os"
	"slices"
	"strings"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/inspect/census"
	"memtrace/tracer/inspect/datasym"
	"memtrace/tracer/inspect/freeze"
	"memtrace/tracer/process/procmem"
)

// process finds the roots of a process.
type process struct {
	pid     int
	walker  Walker
	symbols *datasym.Table
	// cpython is CPython's interpreter, nil if there is none.
	cpython *datasym.Module
	threads []thread
	picture *freeze.Picture
	pages   *procmem.OwnPages
	g       *Graph
	// heaps are malloc's ranges, which are no roots.
	heaps []census.Range
	// stacks are the mappings that were added because a stack is somewhere in them.
	stacks map[uint64]bool
	// taken are ranges that are no roots, or are roots by another name.
	taken []census.Range
	list  []area
	// places are sections of modules without symbols that were divided, with how often.
	places map[string]int
}

const (
	// growth is how far behind its end the main heap is expected to grow in a pass, in bytes.
	growth = 1 << 30
	// arenaSize is the alignment of other arenas' heaps and the most they grow to (HEAP_MAX_SIZE of
	// glibc's malloc/arena.c on 64-bit machines).
	arenaSize = 64 << 20
)

// grown returns the heaps with the room that they may grow into.
func grown(heaps []census.Range, maps []procmaps.Mapping) (zones []census.Range) {
	for _, h := range heaps {
		if h.End <= h.Start {
			continue
		}
		// h.End-1 is in the mapping that ends with the heap, or goes on behind it.
		i, _ := slices.BinarySearchFunc(maps, h.End-1, func(m procmaps.Mapping, addr uint64) int {
			if m.End <= addr {
				return -1
			}
			return 1
		})
		switch {
		case i == len(maps) || maps[i].Start >= h.End:
		case maps[i].Path == "[heap]":
			h.End = maps[i].End + growth
			if i+1 < len(maps) {
				h.End = min(h.End, maps[i+1].Start)
			}
		case h.Start%arenaSize == 0 && maps[i].End-h.Start <= arenaSize:
			// Up to its full size the memory behind an arena's heap is reserved.
			if i+1 < len(maps) && maps[i+1].Start == maps[i].End && maps[i+1].Perms.None() && maps[i+1].Path == "" {
				h.End = max(h.End, min(maps[i+1].End, h.Start+arenaSize))
			}
		}
		zones = append(zones, h)
	}
	return zones
}

// areas lists the places that may hold pointers to blocks, in the order in which they are to be
// looked at. What cannot be looked at is noted in the graph.
func (p *process) areas(g *Graph) []area {
	p.g, p.list, p.places, p.stacks = g, nil, make(map[string]int), make(map[uint64]bool)
	if p.picture == nil {
		if err := p.symbols.Refresh(); err != nil {
			g.skip(0, 0, err.Error())
			return nil
		}
	}
	if p.picture == nil {
		pages, err := procmem.OpenOwnPages(p.pid)
		if err != nil {
			g.skip(0, 0, err.Error())
			return nil
		}
		defer func() { _ = pages.Close() }() // it was only read
		p.pages = pages
	}
	p.taken = append(slices.Clone(g.Census.State), grown(g.Census.Heaps, p.symbols.Maps)...)
	p.heaps = joined(p.taken)
	if p.findThreads() {
		g.skip(0, 0, "not all threads could be looked at")
	}
	p.threadAreas()
	p.memory()
	p.kernel()
	order := func(a *area) int {
		if a.last {
			return 2*int(a.class) + 1
		}
		return 2 * int(a.class)
	}
	slices.SortStableFunc(p.list, func(a, b area) int { return order(&a) - order(&b) })
	return p.list
}

// memory adds what is left of private memory: globals and other mappings.
func (p *process) memory() {
	taken := joined(p.taken)
	for i := range p.symbols.Maps {
		m := &p.symbols.Maps[i]
		if m.Perms&procmaps.Shared != 0 || m.Path == "[vvar]" || m.Path == "[vdso]" || m.Path == "[vsyscall]" || m.Path == "[vvar_vclock]" {
			continue
		}
		for _, r := range without(census.Range{Start: m.Start, End: m.End}, taken) {
			p.own(r, func(r census.Range) { p.piece(m, r) })
		}
	}
}

// own calls f with the pieces of a range that are the process's own.
func (p *process) own(r census.Range, f func(census.Range)) {
	if p.picture != nil {
		p.picture.Copy.Own(r.Start, r.End, func(start, end uint64, swapped bool) {
			if swapped {
				p.g.skip(start, end, "it is swapped out")
				return
			}
			f(census.Range{Start: start, End: end})
		})
		return
	}
	err := p.pages.Own(r.Start, r.End, func(start, end uint64, _ bool) { f(census.Range{Start: start, End: end}) })
	if err != nil {
		p.g.skip(r.Start, r.End, err.Error())
	}
}

// without returns what is left of a range, given ranges that are sorted and apart.
func without(r census.Range, taken []census.Range) (left []census.Range) {
	i, _ := slices.BinarySearchFunc(taken, r.Start, func(t census.Range, addr uint64) int {
		if t.End <= addr {
			return -1
		}
		return 1
	})
	for ; i < len(taken) && taken[i].Start < r.End; i++ {
		if taken[i].Start > r.Start {
			left = append(left, census.Range{Start: r.Start, End: taken[i].Start})
		}
		r.Start = min(taken[i].End, r.End)
	}
	if r.Start < r.End {
		left = append(left, r)
	}
	return left
}

// ofLibc reports whether a file is glibc's, by its name.
func ofLibc(name string) bool {
	for _, prefix := range []string{"libc.so", "libc-", "ld-linux", "ld-2", "ld.so", "libpthread"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// piece adds pages of a mapping that are the process's own.
func (p *process) piece(m *procmaps.Mapping, r census.Range) {
	a := area{start: r.Start, end: r.End, class: Mapping}
	// Variables that are 0 at first end a module's data; they are in a mapping without a file.
	module := p.symbols.At(r.Start)
	if module != nil {
		page := uint64(os.Getpagesize())
		end := (module.End + page - 1) / page * page
		if r.End > end && r.Start < end {
			p.piece(m, census.Range{Start: end, End: r.End})
			a.end = end
		}
		if r.Start < end {
			// What libc holds is little, and a stray pointer there is not to take what others hold.
			a.class, a.name, a.last = Global, p.global(module), ofLibc(module.Name)
			if module == p.cpython {
				r := Root{Class: Interpreter, Name: "objects of CPython", Module: module.Name, Addr: module.Start}
				a.class, a.name = Interpreter, named(r, a.start, a.end)
			}
			p.list = append(p.list, a)
			return
		}
	}
	a.odd = m.Perms&procmaps.Exec != 0 && m.Inode == 0
	name := m.Path
	if name == "" {
		name = "anonymous mapping"
	}
	a.name = named(Root{Class: Mapping, Name: name, Addr: m.Start}, m.Start, m.End)
	p.list = append(p.list, a)
}
