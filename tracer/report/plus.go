package report

import "slices"

// Plus returns the sum of both.
func (a Sum) Plus(b Sum) Sum { return Sum{a.Bytes + b.Bytes, a.Blocks + b.Blocks} }

// Plus returns the sum of both.
func (a Share) Plus(b Share) Share { return Share{a.Sum.Plus(b.Sum), a.ChunkBytes + b.ChunkBytes} }

// Plus returns the sum of both.
func (a Served) Plus(b Served) Served {
	return Served{Brk: a.Brk.Plus(b.Brk), Arena: a.Arena.Plus(b.Arena), Mmap: a.Mmap.Plus(b.Mmap)}
}

// Plus returns what was counted of two processes, b later. What was lost is counted of all
// processes together, so that of b has that of a in it.
func (a Events) Plus(b Events) Events {
	return Events{
		Alloc:         a.Alloc + b.Alloc,
		Free:          a.Free + b.Free,
		Realloc:       a.Realloc + b.Realloc,
		Mmap:          a.Mmap + b.Mmap,
		Munmap:        a.Munmap + b.Munmap,
		Mremap:        a.Mremap + b.Mremap,
		Brk:           a.Brk + b.Brk,
		Mprotect:      a.Mprotect + b.Mprotect,
		Shmat:         a.Shmat + b.Shmat,
		Shmdt:         a.Shmdt + b.Shmdt,
		UnknownFree:   a.UnknownFree + b.UnknownFree,
		Evicted:       a.Evicted + b.Evicted,
		GivenUpStacks: a.GivenUpStacks + b.GivenUpStacks,
		Lost:          b.Lost,
	}
}

// PlusAllocators returns the sums of both, nil where either is not known.
func PlusAllocators(a, b []AllocatorSum) []AllocatorSum {
	if a == nil || b == nil {
		return nil
	}
	sum := slices.Clone(a)
	for _, s := range b {
		i := slices.IndexFunc(sum, func(o AllocatorSum) bool { return o.Allocator == s.Allocator })
		if i < 0 {
			sum = append(sum, s)
		} else {
			sum[i].Sum = sum[i].Sum.Plus(s.Sum)
		}
	}
	return sum
}

// Add adds the figures of another stack. What s is taken for, its estimate and its list of blocks
// stay as they are.
func (s *Stack) Add(o *Stack) {
	if all := float64(s.AllocatedBlocks) + float64(o.AllocatedBlocks); all > 0 {
		s.Survival = (s.Survival*float64(s.AllocatedBlocks) + o.Survival*float64(o.AllocatedBlocks)) / all
	}
	if o.Blocks > 0 {
		s.OldestSeconds = max(s.OldestSeconds, o.OldestSeconds)
		if s.Blocks == 0 || o.YoungestSeconds < s.YoungestSeconds {
			s.YoungestSeconds = o.YoungestSeconds
		}
	}
	s.Served = s.servedWith(o)
	s.Bytes += o.Bytes
	s.Blocks += o.Blocks
	s.YoungBytes += o.YoungBytes
	s.SinceMarkBytes += o.SinceMarkBytes
	s.SinceMarkBlocks += o.SinceMarkBlocks
	s.ChunkBytes += o.ChunkBytes
	s.AllocatedBytes += o.AllocatedBytes
	s.AllocatedBlocks += o.AllocatedBlocks
	s.FreedBlocks += o.FreedBlocks
	s.GrowthBytesPerSecond += o.GrowthBytesPerSecond
	s.FillBytesPerSecond += o.FillBytesPerSecond
	s.FollowedSeconds = max(s.FollowedSeconds, o.FollowedSeconds)
	s.ReplacedBytes += o.ReplacedBytes
	s.ReservedBytes += o.ReservedBytes
	s.Truncated = s.Truncated || o.Truncated
	s.addMeasures(o)
	s.addGrown(o)
	if o.Blocks > 0 || o.FreedBlocks > 0 {
		s.Freed = nil // samples of frees are not added up
	}
}

// servedWith returns how the blocks of both were served, nil where that is not known of all.
func (s *Stack) servedWith(o *Stack) *Served {
	switch {
	case o.Served == nil && o.Blocks == 0:
		return s.Served
	case s.Served == nil && s.Blocks == 0:
		return o.Served
	case s.Served == nil || o.Served == nil:
		return nil
	}
	sum := s.Served.Plus(*o.Served)
	return &sum
}

func (s *Stack) addGrown(o *Stack) {
	grown := append([]ClassBytes(nil), s.Grown...)
next:
	for _, g := range o.Grown {
		for i := range grown {
			if grown[i].Class == g.Class {
				grown[i].Bytes += g.Bytes
				continue next
			}
		}
		grown = append(grown, g)
	}
	s.Grown = grown
	if o.FaultedIn != nil {
		sum := *o.FaultedIn
		if s.FaultedIn != nil {
			sum.Bytes += s.FaultedIn.Bytes
			sum.Samples += s.FaultedIn.Samples
		}
		s.FaultedIn = &sum
	}
}
