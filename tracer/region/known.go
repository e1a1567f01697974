package region

// Range is what a caller knows of some addresses: their class, and where they
// come from.
type Range struct {
	Start, End uint64
	// Class is theirs, except that the stacks of threads stay what they are: they
	// are known by the threads themselves, whoever mapped them.
	Class Class
	// Origin is who mapped them, in a number that only the caller understands; 0
	// says nothing.
	Origin uint64
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
			l.join(r.part(s, start, end))
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

// join appends a segment of the mapping begun last, or adds it to the one before
// if that is of the same kind and origin.
func (l *layout) join(s Segment) {
	if n := len(l.segments); n > int(l.mappings[len(l.mappings)-1].first) {
		last := &l.segments[n-1]
		if last.End == s.Start && last.Class == s.Class && last.Origin == s.Origin && s.Origin != 0 {
			last.End = s.End
			return
		}
	}
	l.segments = append(l.segments, s)
}

// part returns what r makes of the part [start, end) of a segment.
func (r Range) part(s Segment, start, end uint64) Segment {
	whole := start == s.Start && end == s.End
	same := s.Class == r.Class || s.Class == ThreadStack
	s.Start, s.End, s.Origin = start, end, r.Origin
	if !same {
		s.Class = r.Class
	}
	switch {
	case same && whole: // counted as it was
	case r.Start < start:
		s.Items = 0 // counted with the segment before
	default:
		s.Items = 1
	}
	return s
}
