package diagnose

import (
	"slices"

	"memtrace/tracer/event"
	"memtrace/tracer/region"
	"memtrace/tracer/report"
)

// What a mapping takes is its pages that are the process's own, and not its length. While an
// answer is made, the Bytes of a stack are its addresses, with ReservedBytes as a part of them.
// In the end setAside takes that part out.

// reserve says of each stack how much of its mappings is addresses without memory.
func (d *diagnosis) reserve() {
	if d.Space == nil || d.Space.Polls == 0 {
		return
	}
	extents := make(map[string]map[region.Class]region.Extent)
	for m, extent := range d.Space.Mapped {
		id := stackName(event.StackID(m.Origin))
		if extents[id] == nil {
			extents[id] = make(map[region.Class]region.Extent)
		}
		extents[id][m.Class] = extent
	}
	d.leaveToAllocator(extents)
	for i := range d.stacks {
		s := &d.stacks[i]
		switch {
		case s.GivenUpStacks > 0:
		case s.Kind == report.Mmap:
			reserve(s, extents[s.ID])
		case s.Kind == report.Grown && d.Growth:
			reserveFiles(s, extents[s.ID])
		}
	}
	if !d.Space.Classes[region.File].Fit.Growing() {
		d.stacks = slices.DeleteFunc(d.stacks, func(s report.Stack) bool {
			gone := s.Kind == report.Mmap && s.ReservedBytes == s.Bytes && s.YoungBytes == 0 && onlyFiles(extents[s.ID])
			if gone {
				d.aside.Bytes += s.Bytes
				d.aside.Blocks += s.Blocks
			}
			return gone
		})
	}
}

// leaveToAllocator drops the mappings that the allocator made: in a call of free, which is not
// noted as a call in flight, or in a thread of its own. While windows are watched, these are the
// growth of its heaps.
func (d *diagnosis) leaveToAllocator(extents map[string]map[region.Class]region.Extent) {
	its := func(s *report.Stack) bool {
		return s.Kind == report.Mmap && s.GivenUpStacks == 0 && (onlyHeaps(extents[s.ID]) || byAllocator(s.Frames, d.Target))
	}
	if !d.exact() {
		for i := range d.stacks {
			if s := &d.stacks[i]; its(s) {
				reserve(s, extents[s.ID])
				s.Kind = report.Grown
			}
		}
		return
	}
	d.stacks = slices.DeleteFunc(d.stacks, func(s report.Stack) bool {
		if !its(&s) {
			return false
		}
		d.ofAllocator.Bytes += s.Bytes
		d.ofAllocator.Blocks += s.Blocks
		return true
	})
}

// onlyHeaps reports whether mappings became malloc's heaps.
func onlyHeaps(extents map[region.Class]region.Extent) bool {
	_, ok := extents[region.Arena]
	return ok && len(extents) == 1
}

// onlyFiles reports whether mappings merely show the pages of files, as those of tables that every
// process of a kind reads.
func onlyFiles(extents map[region.Class]region.Extent) bool {
	for class, e := range extents {
		if !ofFile(class) || e.Usable > 0 || e.Own > 0 {
			return false
		}
	}
	return len(extents) > 0
}

// reserve says it of a stack whose mappings are these. Mappings that were made since the address
// space was read count as memory.
func reserve(s *report.Stack, extents map[region.Class]region.Extent) {
	own := make(map[region.Class]uint64)
	var virtual, memory uint64
	for class, e := range extents {
		virtual += e.Virtual
		memory += e.Own
		if e.Own > 0 {
			own[class] = e.Own
		}
		s.FillBytesPerSecond += fills(e)
	}
	all := s.Bytes + s.YoungBytes
	memory += all - min(virtual, all)
	s.ReservedBytes = 0
	if reserved := all - min(memory, all); reserved > 0 {
		s.ReservedBytes = uint64(float64(reserved) * float64(s.Bytes) / float64(all))
	}
	s.Grown = classBytes(own)
}

// reserveFiles says it of what system calls added, which counts as growth even where it was not
// touched, but for mappings of files and shared memory.
func reserveFiles(s *report.Stack, extents map[region.Class]region.Extent) {
	for _, class := range []region.Class{region.File, region.Shared} {
		for i := range s.Grown {
			g := &s.Grown[i]
			if g.Class != class.String() {
				continue
			}
			e := extents[class]
			memory := min(e.Own+g.Bytes-min(e.Virtual, g.Bytes), g.Bytes)
			s.ReservedBytes += g.Bytes - memory
			g.Bytes = memory
			s.FillBytesPerSecond += fills(e)
		}
	}
}

func fills(e region.Extent) float64 {
	if e.Fit == nil || !e.Fit.Growing() {
		return 0
	}
	return e.Fit.Slope
}

// leastReservation is the mean size, in bytes, from which mappings that were not touched are more
// than memory that is about to be used. Mappings of files and shared memory have no such bound:
// their length says nothing of what they take.
const leastReservation = 4 << 20

// setAside takes what is reserved out of the figures of the stacks, and out of what is
// outstanding. It adds what malloc takes for them.
func (d *diagnosis) setAside(r *report.Report) {
	r.Reserved = d.aside
	files := make(map[string]bool)
	if d.Space != nil {
		for m, extent := range d.Space.Mapped {
			if extent.Named {
				files[stackName(event.StackID(m.Origin))] = true
			}
		}
	}
	for i := range r.Stacks {
		s := &r.Stacks[i]
		if s.Served != nil {
			s.ChunkBytes = s.Taken()
		}
		if s.Kind == report.Heap || s.Bytes == 0 || s.ReservedBytes == 0 {
			continue
		}
		if s.Bytes < leastReservation*s.Blocks && !files[s.ID] {
			s.ReservedBytes = 0
			continue
		}
		before := s.Bytes
		s.ReservedBytes = min(s.ReservedBytes, s.Bytes)
		s.Bytes -= s.ReservedBytes
		s.GrowthBytesPerSecond = max(s.GrowthBytesPerSecond*float64(s.Bytes)/float64(before), s.FillBytesPerSecond)
		r.Reserved.Bytes += s.ReservedBytes
		if s.Bytes == 0 {
			r.Reserved.Blocks += s.Blocks
		}
	}
	if m := d.split; m != nil && !d.several {
		r.ChunkBytes = m.Brk.ChunkBytes + m.Arena.ChunkBytes + m.Mmap.ChunkBytes
	}
	for _, less := range []report.Sum{r.Reserved, d.ofAllocator} {
		r.Outstanding.Bytes -= min(less.Bytes, r.Outstanding.Bytes)
		r.Outstanding.Blocks -= min(less.Blocks, r.Outstanding.Blocks)
	}
}
