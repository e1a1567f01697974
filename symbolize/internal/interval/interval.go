// Package interval finds, for an address, the innermost of the ranges that contain it. Ranges
// may nest, overlap and repeat, as they do in symbol tables and debugging information. They
// need not be well formed: a search always takes a bounded number of steps.
package interval

import (
	"cmp"
	"iter"
	"slices"
	"sort"
)

// maxSteps bounds how many ranges one search passes over that start at or before an address
// but end too early. Real nesting is a few dozen deep.
const maxSteps = 4096

// Entry is one range. Low is inclusive and High exclusive. Ref identifies, for the caller,
// what the range belongs to.
type Entry struct {
	Low, High uint64
	Ref       uint32
}

// Set is a searchable collection of ranges. The zero Set is empty.
type Set struct {
	entries []Entry
	// reach[i] is the largest High of entries[:i+1]. A search stops where it is too small.
	reach []uint64
}

// New takes over entries, drops the empty ones and sorts the rest.
func New(entries []Entry) Set {
	entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Low >= e.High })
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Low, b.Low), cmp.Compare(b.High, a.High), cmp.Compare(a.Ref, b.Ref))
	})
	s := Set{entries: entries, reach: make([]uint64, len(entries))}
	var reach uint64
	for i, e := range entries {
		reach = max(reach, e.High)
		s.reach[i] = reach
	}
	return s
}

// Len returns the number of ranges.
func (s *Set) Len() int { return len(s.entries) }

// All yields the ranges in order of their Low.
func (s *Set) All() iter.Seq[Entry] { return slices.Values(s.entries) }

// Find returns the range with the highest Low that contains addr. Of several it returns the
// shortest, and of equal ones the one with the highest Ref.
func (s *Set) Find(addr uint64) (Entry, bool) {
	for e := range s.Containing(addr) {
		return e, true
	}
	return Entry{}, false
}

// Before returns the range with the highest Low not above addr, whether or not it contains
// addr.
func (s *Set) Before(addr uint64) (Entry, bool) {
	i := s.search(addr)
	if i < 0 {
		return Entry{}, false
	}
	return s.entries[i], true
}

// Latest returns the range with the highest Ref that contains addr.
func (s *Set) Latest(addr uint64) (Entry, bool) {
	var latest Entry
	found := false
	for e := range s.Containing(addr) {
		if !found || e.Ref > latest.Ref {
			latest, found = e, true
		}
	}
	return latest, found
}

// Containing yields the ranges that contain addr, in the order of Find's preference.
func (s *Set) Containing(addr uint64) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		i := s.search(addr)
		for steps := 0; i >= 0 && s.reach[i] > addr && steps < maxSteps; i, steps = i-1, steps+1 {
			if s.entries[i].High > addr && !yield(s.entries[i]) {
				return
			}
		}
	}
}

// search returns the index of the last range that starts at or before addr, or -1.
func (s *Set) search(addr uint64) int {
	return sort.Search(len(s.entries), func(i int) bool { return s.entries[i].Low > addr }) - 1
}
