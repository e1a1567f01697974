package region

import "strings"

// Total is the sum of one class.
type Total struct {
	// Count is the number of its Class.Items.
	Count int
	// Virtual is the bytes of addresses, and Reserved the part of them that cannot be
	// accessed.
	Virtual, Reserved uint64
	// Resident is the bytes in memory when they were last read.
	Resident uint64
	// Own is the part of Resident that is memory of the process, or shared memory. The rest is
	// pages of files, which the kernel can take back at any time.
	Own uint64
}

func (t *Total) add(s *Segment) {
	t.Count += s.Items
	t.Virtual += s.Bytes()
	t.Resident += s.resident
	t.Own += s.own
	if s.Reserved {
		t.Reserved += s.Bytes()
	}
}

// usable returns the bytes that can be accessed. Growth is measured by these: addresses
// without memory behind them are no leak.
func (t *Total) usable() uint64 { return t.Virtual - t.Reserved }

// totals returns the sums by class.
func (l *layout) totals() (t [NumClasses]Total) {
	t = l.beyond
	for i := range l.segments {
		t[l.segments[i].Class].add(&l.segments[i])
	}
	return t
}

// mapped returns the sums by origin, for segments that have one. Of malloc's heaps nobody who mapped
// them has the memory.
func (l *layout) mapped() map[Mapped]Extent {
	sums := make(map[Mapped]Extent)
	for i := range l.segments {
		if s := &l.segments[i]; s.Origin != 0 {
			sum := sums[Mapped{s.Origin, s.Class}]
			sum.Virtual += s.Bytes()
			if !s.clean {
				sum.Usable += s.usable()
			}
			sum.Own += s.own
			sum.Named = sum.Named || s.named()
			sums[Mapped{s.Origin, s.Class}] = sum
		}
	}
	for origin, bytes := range l.heaps {
		sums[Mapped{origin, Arena}] = Extent{Virtual: bytes}
	}
	return sums
}

// named reports whether a segment is of a file, or of shared memory that was made as one: its length
// says nothing of how much was asked for.
func (s *Segment) named() bool {
	return s.Class == File || s.Class == Shared && !strings.HasPrefix(s.Name, "/dev/zero") && !strings.HasPrefix(s.Name, "[anon_shmem")
}

// steps are the sizes of the steps in which a class has grown.
type steps struct {
	n                  uint64
	smallest, greatest uint64
	// divisor is the greatest common divisor of all sizes.
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

// size returns the size of one step. The kernel may have joined several steps between two
// polls, so the size is what divides them all. If that is only a small part of the smallest
// step, the steps differ in size and ok is false.
func (s *steps) size() (bytes uint64, ok bool) {
	return s.divisor, s.n > 0 && s.divisor*4 >= s.smallest
}

// compare adds what is new in segments since old to the steps of its class. It leaves out
// malloc's chunks, whose sizes are known.
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

// overlap returns how many usable bytes of s already had its class in old. The segments of old
// are in order, and all end after the start of s.
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
