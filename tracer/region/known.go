package region

// Range is what a caller knows of some addresses: their class, and in words where
// they come from.
type Range struct {
	Start, End uint64
	Class      Class
	// Origin is who mapped them, for example; it may be empty.
	Origin string
}

// known returns a layout in which ranges, which are in order of address and do
// not overlap, prevail over what was found out about anonymous memory. Where
// there are none it is l itself.
func (l *layout) known(ranges []Range, out *layout) *layout {
	if len(ranges) == 0 {
		return l
	}
	out.reset()
	out.beyond, out.truncated = l.beyond, l.truncated
	for _, m := range l.mappings {
		out.mappings = append(out.mappings, mapped{start: m.start, end: m.end, rss: m.rss, perms: m.perms, first: int32(len(out.segments))})
		for _, s := range l.segments[m.first : m.first+m.n] {
			ranges = out.split(s, ranges)
		}
		out.mappings[len(out.mappings)-1].n = int32(len(out.segments)) - out.mappings[len(out.mappings)-1].first
	}
	return out
}

// split appends s with the ranges cut into it, and returns those that reach
// further.
func (l *layout) split(s Segment, ranges []Range) []Range {
	for len(ranges) > 0 && ranges[0].End <= s.Start {
		ranges = ranges[1:]
	}
	switch s.Class {
	case Brk, Arena, MallocMmap, Mmap, ThreadStack:
	default:
		l.segments = append(l.segments, s)
		return ranges
	}
	for len(ranges) > 0 && ranges[0].Start < s.End {
		r := ranges[0]
		start, end := max(r.Start, s.Start), min(r.End, s.End)
		if start < end {
			if s.Start < start {
				before := s
				before.End = start
				l.segments = append(l.segments, before)
			}
			part := s
			part.Start, part.End, part.Class, part.Origin = start, end, r.Class, r.Origin
			part.Items = 1
			if r.Start < start { // counted with the segment before
				part.Items = 0
			}
			l.segments = append(l.segments, part)
			s.Start = end
			s.Items = min(s.Items, 1)
		}
		if r.End > s.End {
			break
		}
		ranges = ranges[1:]
	}
	if s.Start < s.End {
		l.segments = append(l.segments, s)
	}
	return ranges
}
