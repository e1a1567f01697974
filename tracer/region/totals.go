package region

// Total is what one class amounts to.
type Total struct {
	// Count is how many Class.Items there are.
	Count int
	// Virtual is bytes of addresses; of these nothing can be done with Reserved.
	Virtual, Reserved uint64
	// Resident is bytes in memory, as of the last time that they were read.
	Resident uint64
}

func (t *Total) add(s *Segment) {
	t.Count += s.Items
	t.Virtual += s.Bytes()
	t.Resident += s.resident
	if s.Reserved {
		t.Reserved += s.Bytes()
	}
}

// usable is the bytes that can be used: what growth is measured by. Addresses
// without memory behind them are no leak.
func (t *Total) usable() uint64 { return t.Virtual - t.Reserved }

// totals adds up by class.
func (l *layout) totals() (t [NumClasses]Total) {
	t = l.beyond
	for i := range l.segments {
		t[l.segments[i].Class].add(&l.segments[i])
	}
	return t
}

// mapped adds up by origin, where there is one.
func (l *layout) mapped() map[Mapped]uint64 {
	sums := make(map[Mapped]uint64)
	for i := range l.segments {
		if s := &l.segments[i]; s.Origin != 0 {
			sums[Mapped{s.Origin, s.Class}] += s.usable()
		}
	}
	return sums
}

// steps are the sizes in which a class has grown.
type steps struct {
	n                  uint64
	smallest, greatest uint64
	// divisor divides them all.
	divisor uint64
}

func (s *steps) add(bytes uint64) { s.merge(&steps{1, bytes, bytes, bytes}) }

func (s *steps) merge(o *steps) {
	if s.n == 0 {
		*s = *o
		return
	}
	s.n += o.n
	s.smallest, s.greatest = min(s.smallest, o.smallest), max(s.greatest, o.greatest)
	for b := o.divisor; b != 0; {
		s.divisor, b = b, s.divisor%b
	}
}

// size returns the size of one step. Where several came between two polls the
// kernel may have joined them, so it is what divides them all; the sizes are of
// several kinds (ok is false) where that is but a small part of the smallest.
func (s *steps) size() (bytes uint64, ok bool) {
	return s.divisor, s.n > 0 && s.divisor*4 >= s.smallest
}

// compare adds what is new in segments, compared with old, to the steps of its
// class, malloc's chunks aside, whose sizes are known.
func compare(old, segments []Segment, grown *[NumClasses]steps) {
	for i := range segments {
		s := &segments[i]
		for len(old) > 0 && old[0].End <= s.Start {
			old = old[1:]
		}
		if s.Class == MallocMmap {
			continue
		}
		if more := s.usable() - overlap(old, s); more > 0 {
			grown[s.Class].add(more)
		}
	}
}

// overlap is how many usable bytes of s were of its class before. All segments of
// old end behind the start of s, and are in order.
func overlap(old []Segment, s *Segment) (bytes uint64) {
	if s.Reserved {
		return 0
	}
	for i := range old {
		o := &old[i]
		if o.Start >= s.End {
			break
		}
		if o.Class == s.Class && !o.Reserved {
			bytes += min(o.End, s.End) - max(o.Start, s.Start)
		}
	}
	return bytes
}
