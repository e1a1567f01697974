package faults

import (
	"cmp"
	"maps"
	"slices"

	"memtrace/tracer/event"
)

const (
	pageSize = 4096
	// DefaultLimit is how many pages a Book holds if it is not told otherwise.
	DefaultLimit = 32768
)

// Book is the sampled pages of one process. It is not safe for concurrent use.
type Book struct {
	limit int
	pages map[uint64]sample
	// thinned: one page in 1<<thinned is kept, chosen by its address.
	thinned uint
	seen    uint64
	samples uint64
	// moving is the sizes that mremap was asked to move, by thread. brk is the program break,
	// 0 if unknown.
	moving map[uint32]uint64
	brk    uint64
}

type sample struct {
	stack  event.StackID
	faults uint64
	size   uint64
	write  bool
	// chance decides whether the page is kept, see keeps.
	chance uint64
}

// Page is a sampled page of a Book.
type Page struct {
	Addr  uint64
	Stack event.StackID
	// Faults is how many faults the page stands for, Bytes what they brought in.
	Faults, Bytes uint64
	// Write: it was a write that brought the page in. Copy: the page was there already, so that
	// a copy may have been made of it. A Book knows only of the first.
	Write, Copy bool
	// Own: the page is known to be the process's own, and not one of a file. The Book does not
	// know that.
	Own bool
}

// New returns an empty Book of at most limit pages (0: DefaultLimit).
func New(limit int) *Book {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &Book{limit: limit, pages: make(map[uint64]sample), moving: make(map[uint32]uint64)}
}

// Add takes a sample: a fault at addr that stands for so many faults. Each is taken to have
// brought in size bytes, 0 if that is not known. write says that it was a write.
func (b *Book) Add(addr uint64, stack event.StackID, faults, size uint64, write bool) {
	b.seen += faults
	b.samples++
	page := addr / pageSize
	s := sample{stack, faults, size, write, hash(page)}
	if !b.keeps(&s) {
		return
	}
	b.pages[page] = s
	for len(b.pages) > b.limit {
		b.thinned++
		maps.DeleteFunc(b.pages, func(_ uint64, s sample) bool { return !b.keeps(&s) })
	}
}

// keeps chooses by a hash of the faulted page, so that a page that faults again and again is
// kept always or never.
func (b *Book) keeps(s *sample) bool { return s.chance&(1<<b.thinned-1) == 0 }

func hash(page uint64) uint64 {
	h := page * 0x9e3779b97f4a7c15
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	return h >> 32
}

// Remove forgets the pages in [start, end), which are unmapped.
func (b *Book) Remove(start, end uint64) {
	first, last := start/pageSize, (end+pageSize-1)/pageSize
	if last-first > uint64(len(b.pages)) {
		maps.DeleteFunc(b.pages, func(page uint64, _ sample) bool { return page >= first && page < last })
		return
	}
	for page := first; page < last; page++ {
		delete(b.pages, page)
	}
}

// Move moves the pages of size bytes at from to their new place. What was there before is
// unmapped.
func (b *Book) Move(from, to, size uint64) {
	if from == to {
		return
	}
	moved := make(map[uint64]sample)
	first, n := from/pageSize, (size+pageSize-1)/pageSize
	maps.DeleteFunc(b.pages, func(page uint64, s sample) bool {
		if page-first >= n {
			return false
		}
		moved[page-first+to/pageSize] = s
		return true
	})
	b.Remove(to, to+size)
	maps.Copy(b.pages, moved)
}

// Clear forgets all pages, because the address space is a new one. A nil Book has none.
func (b *Book) Clear() {
	if b == nil {
		return
	}
	clear(b.pages)
	clear(b.moving)
	b.brk = 0
}

// Seen returns how many faults the samples stand for, and how many samples there were.
func (b *Book) Seen() (faults, samples uint64) { return b.seen, b.samples }

// Pages returns the pages that are held, in order of address.
func (b *Book) Pages() []Page {
	list := make([]Page, 0, len(b.pages))
	for page, s := range b.pages {
		n := s.faults << b.thinned
		list = append(list, Page{Addr: page * pageSize, Stack: s.stack, Faults: n, Bytes: n * s.size, Write: s.write})
	}
	slices.SortFunc(list, func(a, b Page) int { return cmp.Compare(a.Addr, b.Addr) })
	return list
}
