package census

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/process/procmem"
)

// mapped is a block with a mapping of its own, or a piece of the main arena that malloc mapped where
// brk failed.
type mapped struct {
	Range
	// block is the block, 0 for a piece of the main arena.
	block, size uint64
}

// mappings finds blocks with mappings of their own. Mappings of the same kind next to each other are
// one for the kernel, so such a block may lie behind another one, or behind a thread's stack.
type mappings struct {
	win, wide *window
	// areas are where to look: what is private, writable and of no file, by address.
	areas []Range
	// known are the heaps of arenas.
	known []Range
	// tail is what a mapping has behind its chunk.
	tail uint64
	// pieces: the main arena may have such pieces. w walks over them.
	pieces bool
	w      *walk
	found  []mapped
	sum    Sum
	// hints are where an earlier census found blocks, by address.
	hints []uint64
	// left is how many bytes may be searched page by page.
	left uint64
	// swapped counts pages that could not be searched because they are swapped out.
	swapped int
}

// mostSearched is the most that is searched page by page for mapped blocks, in bytes.
const mostSearched = 4 << 30

// wideBytes is how much is read at once behind the first page of a block, and mostZero how many pages
// full of zeros are passed there.
const wideBytes, mostZero = 64 << 10, 1 << 10

// readAreas reads where blocks may be mapped. It also returns where the mappings end that an
// address is in.
func (w *Walker) readAreas(addr uint64) (areas []Range, end uint64, err error) {
	var from io.Reader
	if w.copied != nil {
		from = bytes.NewReader(w.copied.Maps)
	} else {
		f, err := os.Open(fmt.Sprintf("/proc/%d/maps", w.pid))
		if err != nil {
			return nil, 0, fmt.Errorf("read the mappings of process %d: %w", w.pid, err)
		}
		defer f.Close()
		from = f
	}
	var scanner procmaps.Scanner
	_, err = scanner.Scan(from, func(m *procmaps.Mapping) {
		if m.Start <= addr && addr < m.End || m.Start == end {
			end = m.End // mprotect and madvise split mappings
		}
		if holdsBlocks(m) {
			areas = append(areas, Range{m.Start, m.End})
		}
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read the mappings of process %d: %w", w.pid, err)
	}
	return areas, end, nil
}

// holdsBlocks reports whether malloc may have made a mapping. It names them on request
// (glibc.mem.decorate_maps) and may use huge pages (glibc.malloc.hugetlb).
func holdsBlocks(m *procmaps.Mapping) bool {
	const readWrite = procmaps.Read | procmaps.Write
	return m.Perms&(readWrite|procmaps.Shared) == readWrite &&
		(m.Inode == 0 && (m.Path == "" || strings.HasPrefix(m.Path, "[anon:")) || strings.HasPrefix(m.Path, "/anon_hugepage"))
}

// find looks for as many mapped blocks as malloc counts: first where mappings begin, where there was
// one before, and behind those that were found, then at each page.
func (m *mappings) find(want Sum, main uint64) {
	for everywhere := range 2 {
		if m.enough(want, main) {
			return
		}
		m.found, m.sum = m.found[:0], Sum{}
		if everywhere == 1 {
			m.win = newWindow(m.win.mem, 1<<20)
		}
		for i, area := range m.areas {
			end := area.End
			for k := i + 1; k < len(m.areas) && m.areas[k].Start == end; k++ {
				end = m.areas[k].End // the program may have split it
			}
			m.search(area, end, everywhere == 1)
			if everywhere == 1 && m.enough(want, main) {
				return
			}
		}
	}
}

// enough reports whether all was found.
func (m *mappings) enough(want Sum, main uint64) bool {
	return m.sum.Chunks >= want.Chunks && (!m.pieces || m.mainBytes() >= main)
}

// mainBytes is how many bytes the pieces of the main arena have that were found.
func (m *mappings) mainBytes() (bytes uint64) {
	for _, f := range m.found {
		if f.block == 0 {
			bytes += f.End - f.Start
		}
	}
	return bytes
}

// search looks for blocks in an area. Those that begin in it may reach to limit.
func (m *mappings) search(area Range, limit uint64, everywhere bool) {
	at := area.Start
	if n := len(m.found); n > 0 {
		at = max(at, m.found[n-1].End)
	}
	for at < area.End {
		if end := m.inKnown(at); end != 0 {
			at = end
			continue
		}
		f, ok := m.at(at, limit)
		switch {
		case ok:
			m.found = append(m.found, f)
			if f.block != 0 {
				m.sum.Chunks++
				m.sum.Bytes += f.End - f.Start
			}
			at = f.End
		case !everywhere:
			at = m.hint(at)
		case m.left < pageSize:
			return
		default:
			if m.win.there[(at-m.win.start)/pageSize] {
				m.left -= pageSize
				at += pageSize
			} else {
				if m.left -= pageSize / 64; m.win.state(at) == procmem.Swapped {
					m.swapped++
				}
				at = m.win.behind(at, area.End)
			}
		}
	}
}

// hint returns where to look next behind an address, or the end of all addresses.
func (m *mappings) hint(addr uint64) uint64 {
	if i, _ := slices.BinarySearch(m.hints, addr+1); i < len(m.hints) {
		return m.hints[i]
	}
	return userSpace
}

// inKnown returns the end of the heap that an address is in, or 0.
func (m *mappings) inKnown(addr uint64) uint64 {
	i, _ := slices.BinarySearchFunc(m.known, addr, func(r Range, addr uint64) int { return cmp.Compare(r.End, addr+1) })
	if i < len(m.known) && m.known[i].Contains(addr) {
		return m.known[i].End
	}
	return 0
}

// at returns what begins at a page.
func (m *mappings) at(page, limit uint64) (mapped, bool) {
	if !m.win.holds(page) {
		m.win.fill(page, limit)
	}
	before, head, there := m.win.words(page)
	if f, ok := m.chunk(page, page, before, head, limit); there && ok {
		return m.aligned(f, limit), true
	}
	// From 2.43 malloc puts aligned blocks further behind and writes nothing here. Before, a realloc
	// does not correct the size.
	if m.tail != 0 || there && before == 0 && head&7 == 2 {
		if f := m.aligned(mapped{Range: Range{page, page}}, limit); f.block != 0 {
			return f, true
		}
	}
	if there && m.pieces && head&7 == 1 && before == 0 {
		if end := m.piece(page, limit); end != 0 {
			return mapped{Range: Range{page, end}}, true
		}
	}
	return mapped{}, false
}

// chunk returns the mapped block at an address whose mapping begins at start.
func (m *mappings) chunk(start, at, before, head, limit uint64) (mapped, bool) {
	size := head &^ 7
	if m.tail != 0 {
		before &^= 1 // says that the mapping has huge pages
	}
	length := before + size + m.tail
	if head&7 != 2 || before != at-start || size < minChunk || size > limit-start || length%pageSize != 0 || length > limit-start {
		return mapped{}, false
	}
	usable := size - 16
	if m.tail != 0 {
		usable = size - 8
	}
	return mapped{Range{start, start + length}, at + header, usable}, true
}

// aligned returns the block that memalign made of a mapping, or f if it did not. Such a block has
// nothing before its header, which is 16 bytes before a multiple of the alignment; once realloc has
// moved it, before one of the size of a page.
func (m *mappings) aligned(f mapped, limit uint64) mapped {
	start := f.Start
	for at := start + header; at < start+pageSize; at += header {
		before, head, _ := m.win.words(at)
		if before == 0 && head == 0 {
			continue
		}
		if g, ok := m.chunk(start, at, before, head, limit); ok {
			return g
		}
		return f // it is in use
	}
	end := limit
	if f.block != 0 {
		end = f.End
	}
	zero := 0
	for page := start + pageSize; page < end && m.left >= pageSize && zero < mostZero; page += pageSize {
		if !m.wide.holds(page) {
			m.wide.fill(page, end)
		}
		at := page + pageSize - header
		before, head, there := m.wide.words(at)
		if !there {
			m.left -= pageSize / 64
			continue
		}
		m.left -= pageSize
		if g, ok := m.chunk(start, at, before, head, limit); ok {
			return g
		}
		if zero++; !m.wide.isZero(page) {
			break // it is in use
		}
	}
	return f
}

// piece returns where a piece of the main arena ends that begins at a page, or 0.
func (m *mappings) piece(page, limit uint64) (end uint64) {
	w := m.w
	w.place = place{Range: Range{page, limit}, limit: limit, main: true, topAt: w.topAt}
	w.readTop()
	w.win.forget()
	at, prev := page, uint64(0)
	defer func() { m.left -= min(m.left, at-page) }()
	for n := 0; at-page <= m.left; n++ {
		if !w.win.holds(at) {
			w.win.fill(at, limit)
		}
		before, head, ok := w.win.words(at)
		size := head &^ 7
		switch {
		case !ok || head&1 == 0 && before != prev:
			return 0
		case at == w.top && size <= limit-at:
			return at + size
		case size == fence && n > 0:
			return (at + 2*fence + pageSize - 1) &^ (pageSize - 1)
		case !w.plausible(at, head):
			return 0
		}
		at, prev = at+size, size
	}
	return 0
}

// walkOf returns a walk for pieces.
func walkOf(mem memory, topAt uint64) *walk {
	return &walk{
		win: newWindow(mem, windowBytes), far: newWindow(mem, pageSize),
		caches: unmarked(), place: place{topAt: topAt},
	}
}
