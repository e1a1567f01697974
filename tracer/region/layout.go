package region

import (
	"memtrace/symbolize/procmaps"
)

// maxSegments is how many segments are kept. The kernel's default limit is 65,530 mappings
// (vm.max_map_count). Mappings beyond twice that are only counted.
const maxSegments = 1 << 17

// layout is an address space as one poll found it.
type layout struct {
	segments []Segment
	mappings []mapped
	// count is the number of mappings, those included that there was no room for.
	count int
	// beyond counts the segments that there was no room for.
	beyond    [NumClasses]Total
	truncated bool
	// heaps is the part of malloc's heaps that an origin has mapped, in bytes.
	heaps map[uint64]uint64
	// huge: there are huge pages that were set aside (hugetlb).
	huge bool
	// cursor is where exactly continues its search: calls come in order of address.
	cursor int
	// libraries are the names of files that are mapped as code. stackSizes are the sizes of
	// the guards and stacks of living threads.
	libraries  map[string]bool
	stackSizes map[[2]uint64]bool
}

// mapped is a mapping and the segments it consists of.
type mapped struct {
	start, end uint64
	rss        uint64
	// copied is the part of rss that was copied from a file when it was written to. ofFile:
	// only that is the process's own.
	copied uint64
	ofFile bool
	perms  procmaps.Perms
	first  int32
	n      int32
}

func newLayout() *layout {
	return &layout{libraries: make(map[string]bool), heaps: make(map[uint64]uint64), stackSizes: make(map[[2]uint64]bool)}
}

// reset empties l and keeps its memory.
func (l *layout) reset() {
	l.segments, l.mappings, l.count, l.cursor, l.truncated, l.huge = l.segments[:0], l.mappings[:0], 0, 0, false, false
	clear(l.beyond[:])
	clear(l.libraries)
	clear(l.heaps)
	clear(l.stackSizes)
}

// begin starts a new mapping: the segments added from now on belong to m.
func (l *layout) begin(m *procmaps.Mapping) {
	l.count++
	l.huge = l.huge || m.Hugetlb > 0
	if len(l.segments) >= maxSegments {
		l.truncated = true
		return
	}
	private := ofFile(m) && m.Perms&procmaps.Shared == 0
	l.mappings = append(l.mappings, mapped{
		start: m.Start, end: m.End, rss: m.Rss + m.Hugetlb, perms: m.Perms, first: int32(len(l.segments)),
		copied: m.Anonymous + m.Hugetlb, ofFile: private,
	})
}

// add appends a segment to the mapping started last.
func (l *layout) add(s Segment) {
	if l.truncated {
		l.beyond[s.Class].add(&s)
		return
	}
	l.segments = append(l.segments, s)
	l.mappings[len(l.mappings)-1].n++
}

// exactly returns the segments of the mapping that has the bounds and rights of m, or nil if
// there was none.
func (l *layout) exactly(m *procmaps.Mapping) []Segment {
	for l.cursor < len(l.mappings) && l.mappings[l.cursor].start < m.Start {
		l.cursor++
	}
	if l.cursor == len(l.mappings) {
		return nil
	}
	if o := &l.mappings[l.cursor]; o.start == m.Start && o.end == m.End && o.perms == m.Perms {
		return l.segments[o.first : o.first+o.n]
	}
	return nil
}

// finish decides what only the whole layout shows.
func (l *layout) finish() {
	for i := range l.segments {
		// The first mapping of a library holds its headers; the code comes later.
		if s := &l.segments[i]; s.Class == File && l.libraries[s.Name] {
			s.Class = Library
		}
	}
	l.unusedStacks()
}

// share divides the resident bytes of each mapping among its segments. All segments but the
// largest get what their pages say or, where that is unknown, a share by size. The largest
// gets the rest.
func (l *layout) share(src Source) {
	for _, m := range l.mappings {
		segments := l.segments[m.first : m.first+m.n]
		largest, left, copiedLeft := 0, m.rss, m.copied
		for i := range segments {
			if segments[i].Bytes() > segments[largest].Bytes() {
				largest = i
			}
		}
		for i := range segments {
			s := &segments[i]
			if i == largest {
				continue
			}
			part, copied, ok := src.Present(s.Start, s.End)
			if !ok {
				size := float64(s.Bytes()) / float64(m.end-m.start)
				part, copied = uint64(float64(m.rss)*size)&^(page-1), uint64(float64(m.copied)*size)&^(page-1)
			}
			s.resident, s.own = min(part, left), min(copied, copiedLeft)
			left -= s.resident
			copiedLeft -= s.own
		}
		if len(segments) > 0 {
			segments[largest].resident, segments[largest].own = left, copiedLeft
		}
		for i := range segments {
			segments[i].settle(m.ofFile)
		}
	}
}
