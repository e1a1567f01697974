package vm

import (
	"slices"
	"sort"
)

// mapping is one successful mmap or mremap. What is left of it may be several regions.
type mapping struct {
	stack *stack
	// time is when it was made, ns.
	time uint64
	// segment: it is of a System V segment, so that shmdt may end it.
	segment bool
	// regions is how many regions are left.
	regions int
	// scan is the number of the last snapshot that met it.
	scan uint64
}

// region is a range of addresses [start, end) that a mapping holds.
type region struct {
	start, end uint64
	of         *mapping
}

func (r region) bytes() uint64 { return r.end - r.start }

// maxChunk is the number of regions in a full chunk. An insertion moves at most 6 KiB.
const maxChunk = 256

// regions holds the regions of a process, disjoint and in order, as a list of chunks none of
// which is empty. Programs have up to 65,530 regions (vm.max_map_count), or more where that is
// raised.
type regions struct {
	chunks [][]region
}

// cursor is the place of a region. It is valid until the next change.
type cursor struct{ chunk, i int }

// after returns the place of the first region that ends after addr.
func (rs *regions) after(addr uint64) cursor {
	c := sort.Search(len(rs.chunks), func(i int) bool {
		chunk := rs.chunks[i]
		return chunk[len(chunk)-1].end > addr
	})
	if c == len(rs.chunks) {
		return cursor{c, 0}
	}
	chunk := rs.chunks[c]
	return cursor{c, sort.Search(len(chunk), func(i int) bool { return chunk[i].end > addr })}
}

// at returns the region at c, or nil behind the last.
func (rs *regions) at(c cursor) *region {
	if c.chunk == len(rs.chunks) {
		return nil
	}
	return &rs.chunks[c.chunk][c.i]
}

// overlapping returns the first region that has a part in [start, end), or nil.
func (rs *regions) overlapping(start, end uint64) *region {
	if r := rs.at(rs.after(start)); r != nil && r.start < end {
		return r
	}
	return nil
}

// had reports whether a part of [start, end) was mapped at the time until (ns) and still is.
func (rs *regions) had(start, end, until uint64) bool {
	for start < end {
		r := rs.overlapping(start, end)
		if r == nil || r.of.time <= until {
			return r != nil
		}
		start = r.end
	}
	return false
}

// cut removes what was mapped in [start, end) up to the time until (ns). It calls removed for
// every piece taken, with the change in the number of regions: -1 if a region is gone, 0 if it
// has shrunk, 1 if it was split.
func (rs *regions) cut(start, end, until uint64, removed func(piece region, change int)) {
	for start < end {
		c := rs.after(start)
		r := rs.at(c)
		if r == nil || r.start >= end {
			return
		}
		if r.of.time > until {
			start = r.end
			continue
		}
		piece := region{max(r.start, start), min(r.end, end), r.of}
		left, right := r.start < start, r.end > end
		change := 0
		switch {
		case left && right:
			rest := region{end, r.end, r.of}
			r.end = start
			rs.insert(rest)
			change = 1
		case left:
			r.end = start
		case right:
			r.start = end
		default:
			rs.remove(c)
			change = -1
		}
		removed(piece, change)
	}
}

// insert adds r, whose range must be free.
func (rs *regions) insert(r region) {
	c := rs.after(r.start)
	if c.chunk == len(rs.chunks) {
		if c.chunk == 0 {
			rs.chunks = append(rs.chunks, nil)
		}
		// It goes behind the last region.
		c.chunk = len(rs.chunks) - 1
		c.i = len(rs.chunks[c.chunk])
	}
	chunk := slices.Insert(rs.chunks[c.chunk], c.i, r)
	rs.chunks[c.chunk] = chunk
	if len(chunk) > maxChunk {
		half := len(chunk) / 2
		rs.chunks = slices.Insert(rs.chunks, c.chunk+1, slices.Clone(chunk[half:]))
		rs.chunks[c.chunk] = slices.Delete(chunk, half, len(chunk))
	}
}

// remove removes the region at c. A chunk left nearly empty joins the one before it if both
// fit into half a chunk.
func (rs *regions) remove(c cursor) {
	chunk := slices.Delete(rs.chunks[c.chunk], c.i, c.i+1)
	rs.chunks[c.chunk] = chunk
	if len(chunk) > maxChunk/4 {
		return
	}
	if c.chunk > 0 && len(rs.chunks[c.chunk-1])+len(chunk) <= maxChunk/2 {
		rs.chunks[c.chunk-1] = append(rs.chunks[c.chunk-1], chunk...)
		chunk = nil
	}
	if len(chunk) == 0 {
		rs.chunks = slices.Delete(rs.chunks, c.chunk, c.chunk+1)
	}
}

// restore adds those parts of r whose range is free, and joins them with what is left of the
// same mapping at either end. It calls added for every part, with the change in the number of
// regions: 1, minus the regions that the part was joined with.
func (rs *regions) restore(r region, added func(part region, change int)) {
	for start := r.start; start < r.end; {
		next := rs.at(rs.after(start))
		if next != nil && next.start <= start {
			start = next.end
			continue
		}
		part := region{start, r.end, r.of}
		if next != nil {
			part.end = min(r.end, next.start)
		}
		start = part.end
		added(part, 1-rs.join(part))
	}
}

// join adds r, whose range must be free, as one region with its neighbours of the same
// mapping. It returns how many neighbours it joined.
func (rs *regions) join(r region) (joined int) {
	if r.start > 0 {
		c := rs.after(r.start - 1)
		if left := rs.at(c); left != nil && left.end == r.start && left.of == r.of {
			r.start = left.start
			rs.remove(c)
			joined++
		}
	}
	c := rs.after(r.end)
	if right := rs.at(c); right != nil && right.start == r.end && right.of == r.of {
		r.end = right.end
		rs.remove(c)
		joined++
	}
	rs.insert(r)
	return joined
}

// each calls f with every region, in order of address.
func (rs *regions) each(f func(region)) {
	for _, chunk := range rs.chunks {
		for _, r := range chunk {
			f(r)
		}
	}
}
