package region

import "math"

// Range is what a caller knows of a range of addresses: the class and the origin.
type Range struct {
	Start, End uint64
	// Class is the class of the range. Keep leaves the class as it was found, because whoever
	// mapped addresses does not always know what became of them, such as the stack of a
	// thread. With Keep, a range says nothing of malloc's heaps: each piece of them serves
	// whoever asks next.
	Class Class
	Keep  bool
	// Origin identifies who mapped the range, by a number that only the caller understands. 0
	// means unknown.
	Origin uint64
}

// known returns a layout in which ranges override what was found out about anonymous memory and
// shared memory.
// The ranges are in order of address and do not overlap. Without any, known returns l itself.
func (l *layout) known(ranges []Range, out *layout) *layout {
	if len(ranges) == 0 {
		return l
	}
	out.reset()
	out.beyond, out.truncated = l.beyond, l.truncated
	for _, m := range l.mappings {
		out.mappings = append(out.mappings, mapped{
			start: m.start, end: m.end, rss: m.rss, copied: m.copied, ofFile: m.ofFile, perms: m.perms, first: int32(len(out.segments)),
		})
		for _, s := range l.segments[m.first : m.first+m.n] {
			ranges = out.split(s, ranges)
		}
		out.mappings[len(out.mappings)-1].n = int32(len(out.segments)) - out.mappings[len(out.mappings)-1].first
	}
	return out
}

// split appends s, cut up by the ranges, and returns the ranges that reach further. Of a file a
// caller knows at most who mapped it.
func (l *layout) split(s Segment, ranges []Range) []Range {
	for len(ranges) > 0 && ranges[0].End <= s.Start {
		ranges = ranges[1:]
	}
	files := false
	switch s.Class {
	case Brk, Arena, MallocMmap, Mmap, ThreadStack, Shared:
	default:
		files = true
	}
	for len(ranges) > 0 && ranges[0].Start < s.End {
		r := ranges[0]
		start, end := max(r.Start, s.Start), min(r.End, s.End)
		if start < end && r.Keep && (s.Class == Brk || s.Class == Arena) {
			l.heaps[r.Origin] += end - start
		} else if start < end && (r.Keep || !files) {
			if s.Start < start {
				l.segments = append(l.segments, s.cut(start, r.Keep))
			}
			part := s.cut(end, r.Keep)
			part.Origin = r.Origin
			if !r.Keep {
				part.Class, part.Items = r.Class, 1
				if r.Start < start { // counted with the segment before
					part.Items = 0
				}
			}
			l.segments = append(l.segments, part)
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

// cut takes the part up to end off the front of s. With share, the items of s are split by
// size; otherwise the rest of s counts at most once.
func (s *Segment) cut(end uint64, share bool) Segment {
	front := *s
	front.End = end
	if share {
		front.Items = int(math.Round(float64(s.Items) * float64(front.Bytes()) / float64(s.Bytes())))
		s.Items -= front.Items
	} else {
		s.Items = min(s.Items, 1)
	}
	s.Start = end
	return front
}
