package report

import (
	"cmp"
	"slices"
)

// Peak is what was outstanding of the blocks of allocation functions, of any age, when that was
// most. Of a forked child it is of what it allocated itself.
type Peak struct {
	Sum
	// AtSeconds is when that was, counted from the start of the trace.
	AtSeconds float64 `json:"at_seconds"`
	// Approximate: some frees were known late, or lost. It may have been less then, and at another
	// time more.
	Approximate bool `json:"approximate,omitempty"`
}

// LifetimeClass is how many freed blocks lived up to a time, and longer than the class before
// reaches.
type LifetimeClass struct {
	UpToSeconds float64 `json:"up_to_seconds"`
	Blocks      uint64  `json:"blocks"`
}

// SizeClass is how many allocated blocks had up to a size, in bytes, and more than the class
// before reaches.
type SizeClass struct {
	UpToBytes uint64 `json:"up_to_bytes"`
	Blocks    uint64 `json:"blocks"`
}

// Past reports whether a stack has allocated blocks, and holds none any more.
func (s *Stack) Past() bool {
	return s.Kind == Heap && s.AllocatedBlocks > 0 && s.Blocks == 0 && s.Bytes == 0 && s.YoungBytes == 0 && s.ReplacedBytes == 0 && s.Estimate == nil
}

// ModuleSum is what is outstanding of the stacks whose first function of the program itself is in
// a module. Name is empty for stacks of which that is not known.
type ModuleSum struct {
	Name string `json:"name"`
	// NotLookedUp: Name is empty since nobody has looked. There are many stacks, and others hold
	// more.
	NotLookedUp bool `json:"not_looked_up,omitempty"`
	Sum
}

// key tells modules apart.
func (m ModuleSum) key() ModuleSum { return ModuleSum{Name: m.Name, NotLookedUp: m.NotLookedUp} }

// Modules adds up stacks by the module of the first function of the program itself, the most
// bytes first. known says of a stack without frames whether that is all that is known of it: else it
// was not looked up.
func Modules(stacks []Stack, known func(*Stack) bool) []ModuleSum {
	sums := make(map[ModuleSum]Sum)
	for i := range stacks {
		s := &stacks[i]
		key := ModuleSum{NotLookedUp: len(s.Frames) == 0 && !known(s)}
		if len(s.Frames) > 0 {
			key.Name = s.Frames[min(s.OwnFrame, len(s.Frames)-1)].Module
		}
		if s.Bytes > 0 || s.Blocks > 0 {
			sums[key] = sums[key].Plus(Sum{s.Bytes, s.Blocks})
		}
	}
	var list []ModuleSum
	for m, sum := range sums {
		m.Sum = sum
		list = append(list, m)
	}
	return sortModules(list)
}

// sortModules puts the most bytes first.
func sortModules(list []ModuleSum) []ModuleSum {
	slices.SortFunc(list, func(a, b ModuleSum) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Blocks, a.Blocks), cmp.Compare(a.label(), b.label()))
	})
	return list
}

// PlusModules returns the sums of both, the most bytes first.
func PlusModules(a, b []ModuleSum) []ModuleSum {
	return sortModules(plus(a, b, ModuleSum.key, func(m *ModuleSum, o ModuleSum) { m.Sum = m.Sum.Plus(o.Sum) }))
}

// addMeasures adds what was measured of another stack.
func (s *Stack) addMeasures(o *Stack) {
	s.PeakBytes += o.PeakBytes
	s.PeakBlocks += o.PeakBlocks
	s.TemporaryBlocks += o.TemporaryBlocks
	s.Lifetimes = plus(s.Lifetimes, o.Lifetimes, func(c LifetimeClass) float64 { return c.UpToSeconds },
		func(c *LifetimeClass, o LifetimeClass) { c.Blocks += o.Blocks })
	slices.SortFunc(s.Lifetimes, func(a, b LifetimeClass) int { return cmp.Compare(a.UpToSeconds, b.UpToSeconds) })
	s.Sizes = plus(s.Sizes, o.Sizes, func(c SizeClass) uint64 { return c.UpToBytes },
		func(c *SizeClass, o SizeClass) { c.Blocks += o.Blocks })
	slices.SortFunc(s.Sizes, func(a, b SizeClass) int { return cmp.Compare(a.UpToBytes, b.UpToBytes) })
	s.Threads = plus(s.Threads, o.Threads, func(t ThreadSum) int { return t.TID },
		func(t *ThreadSum, o ThreadSum) { t.Sum = t.Sum.Plus(o.Sum) })
	slices.SortStableFunc(s.Threads, func(a, b ThreadSum) int {
		if (a.TID == 0) != (b.TID == 0) { // the others come last
			return cmp.Compare(b.TID, a.TID)
		}
		return cmp.Compare(b.Bytes, a.Bytes)
	})
}

// plus returns a with b added, by key.
func plus[T any, K comparable](a, b []T, key func(T) K, add func(*T, T)) []T {
	if len(b) == 0 {
		return a
	}
	sum := slices.Clone(a)
	for _, one := range b {
		i := slices.IndexFunc(sum, func(t T) bool { return key(t) == key(one) })
		if i < 0 {
			sum = append(sum, one)
		} else {
			add(&sum[i], one)
		}
	}
	return sum
}
