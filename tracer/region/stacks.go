package region

import "memtrace/symbolize/procmaps"

// maxGuard is the largest size, in bytes, taken for the guard of a stack. glibc's guard is one
// page; Java adds zones of its own.
const maxGuard = 1 << 20

// stacksIn removes the thread stacks up to the end of m from c.stacks. It returns how many of
// them are in m, and whether one of those is certain.
func (c *classifier) stacksIn(m *procmaps.Mapping) (n int, certain bool) {
	for len(c.stacks) > 0 && c.stacks[0].Addr < m.End {
		if s := c.stacks[0]; s.Addr >= m.Start {
			n++
			certain = certain || s.Certain
		}
		c.stacks = c.stacks[1:]
	}
	return n, certain
}

// guard returns the segment right below start, if it can be the guard of a stack.
func (l *layout) guard(start uint64) *Segment {
	if len(l.segments) == 0 {
		return nil
	}
	s := &l.segments[len(l.segments)-1]
	if s.End == start && s.Reserved && s.Class == Mmap && s.Name == "" && s.Bytes() <= maxGuard {
		return s
	}
	return nil
}

// stack classifies m as the stacks of n threads, along with the guard below.
func (c *classifier) stack(m *procmaps.Mapping, n int) {
	if g := c.out.guard(m.Start); g != nil {
		g.Class, g.Items = ThreadStack, 0
		c.out.stackSizes[[2]uint64{g.Bytes(), m.Bytes()}] = true
	}
	c.add(m.Start, m.End, ThreadStack, m, n)
}

// unusedStacks finds the stacks of ended threads, which glibc keeps for new ones. No thread
// points to them, but guard and stack have the sizes of a living thread's.
func (l *layout) unusedStacks() {
	if len(l.stackSizes) == 0 {
		return
	}
	for i := 1; i < len(l.segments); i++ {
		g, s := &l.segments[i-1], &l.segments[i]
		if s.Class == Mmap && g.Class == Mmap && g.Reserved && !s.Reserved && g.End == s.Start &&
			l.stackSizes[[2]uint64{g.Bytes(), s.Bytes()}] {
			g.Class, g.Items = ThreadStack, 0
			s.Class = ThreadStack
		}
	}
}
