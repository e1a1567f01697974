package diagnose

import (
	"cmp"
	"slices"
	"sort"

	"memtrace/tracer/book/faults"
	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
	"memtrace/tracer/process/target"
	"memtrace/tracer/region"
	"memtrace/tracer/report"
)

// extent is a range of addresses by which a stack made the address space grow.
type extent struct {
	start, end uint64
	stack      int // index in report.Report.Stacks
}

// classify says of which classes the growth of each stack is, and how much of it is in memory.
// stacks are those of the ledger, in the order of d.stacks; these keep their blocks if asked to.
func (d *diagnosis) classify(stacks []live.Stack, blocks bool) {
	var extents []extent
	for i := range stacks {
		r := &d.stacks[i]
		r.Grown = d.classesOf(&stacks[i])
		for _, b := range stacks[i].BlockList {
			extents = append(extents, extent{b.Address, b.Address + b.Bytes, i})
		}
		if !blocks {
			r.BlockList = nil
		}
		if d.Known.FaultsSampled {
			r.FaultedIn = &report.FaultEstimate{Estimated: true}
		}
	}
	slices.SortFunc(extents, func(a, b extent) int { return cmp.Compare(a.start, b.start) })
	for _, page := range d.Pages {
		if !brought(&page, d.ClassAt(page.Addr)) {
			continue
		}
		n := sort.Search(len(extents), func(i int) bool { return extents[i].end > page.Addr })
		if n < len(extents) && extents[n].start <= page.Addr {
			d.stacks[extents[n].stack].FaultedIn.Add(page.Bytes)
		}
	}
}

// classesOf returns the classes of memory that a stack added.
func (d *diagnosis) classesOf(s *live.Stack) []report.ClassBytes {
	sums := make(map[region.Class]uint64)
	for _, b := range s.BlockList {
		sums[d.ClassAt(b.Address)] += b.Bytes
	}
	return classBytes(sums)
}

// classBytes lists sums, the largest first.
func classBytes(sums map[region.Class]uint64) (list []report.ClassBytes) {
	for class, bytes := range sums {
		list = append(list, report.ClassBytes{Class: class.String(), Label: class.Label(), Bytes: bytes})
	}
	slices.SortFunc(list, func(a, b report.ClassBytes) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Class, b.Class))
	})
	return list
}

// ofFile reports whether memory of a class is mostly pages of files. One fault brings in many
// of these, and the kernel reclaims them as it likes. Copies of such pages, which the process has
// written to, are its own.
func ofFile(c region.Class) bool {
	return c == region.Text || c == region.File || c == region.Library || c == region.VDSO
}

// brought reports whether the fault on a page brought in memory of the process. Of files that is
// a copy made by a write, for which the page may have been there. Of other memory a write to what
// is there may merely make it writable again.
func brought(page *faults.Page, class region.Class) bool {
	switch {
	case ofFile(class):
		return page.Own && page.Write
	case class == region.Shared && page.Own: // mapped privately
		return page.Write
	}
	return !page.Copy
}

// growthReport returns the section on page faults, with all their stacks.
func (d *diagnosis) growthReport() *report.Growth {
	g := new(report.Growth)
	if d.Known.FaultsSampled {
		g.Faults.Sampled, g.Faults.Estimated = true, true
		g.Faults.Count, g.Faults.Lost = d.Known.Faults, d.Known.Counters.LostFault
	}
	type touched struct {
		report.FaultEstimate
		sums map[region.Class]uint64
	}
	byStack := make(map[event.StackID]*touched)
	for _, page := range d.Pages {
		class := d.ClassAt(page.Addr)
		if !brought(&page, class) {
			continue
		}
		s := byStack[page.Stack]
		if s == nil {
			s = &touched{sums: make(map[region.Class]uint64)}
			byStack[page.Stack] = s
		}
		s.Add(page.Bytes)
		s.sums[class] += page.Bytes
		g.Faults.Add(page.Bytes)
	}
	for id, s := range byStack {
		g.FaultStacks = append(g.FaultStacks, report.FaultStack{
			ID: stackName(id), FaultEstimate: s.FaultEstimate, Classes: classBytes(s.sums),
		})
	}
	slices.SortFunc(g.FaultStacks, func(a, b report.FaultStack) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.ID, b.ID))
	})
	g.FaultStacksTotal = len(g.FaultStacks)
	for i := range g.FaultStacks[:min(len(g.FaultStacks), namedAtOnce)] {
		s := &g.FaultStacks[i]
		named := report.Stack{ID: s.ID}
		d.name(&named)
		s.Frames, s.OwnFrame, s.Truncated = named.Frames, named.OwnFrame, named.Truncated
	}
	return g
}

// byAllocator reports whether a call came from inside an allocation function. It looks for one
// among the innermost frames that lie in objects with such functions. A library that is
// nothing but an allocator counts as a whole.
func byAllocator(frames []report.Frame, t *target.Target) bool {
	named := t.Names()
	for _, f := range frames {
		i := slices.IndexFunc(t.Objects, func(o *target.Object) bool { return o.Path == f.Module })
		if i < 0 {
			return false
		}
		o := t.Objects[i]
		if o.Family != target.Glibc && o.Family != target.Musl && o.Path != t.Exe || target.Allocates(f.Function) || named.Has(f.Function) {
			return true
		}
	}
	return false
}
