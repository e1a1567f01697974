package census

import (
	"fmt"

	"memtrace/tracer/process/procmem"
)

// scanBytes is how much Scan reads at once.
const scanBytes = 1 << 20

// Scan reads the contents of all blocks of a census, in the order of their addresses. visit gets
// block i's content from offset off on, in pieces that are aligned to 8 bytes: a block may come in
// several pieces, and pieces of pages that are not there are left out (they hold zeros). content is
// valid until visit returns.
//
// Pages that are swapped out are left out too; the census's Skipped then says so.
func (w *Walker) Scan(c *Census, visit func(i int, off uint64, content []byte)) error {
	s := scan{win: newWindow(w.mem, scanBytes), visit: visit}
	blocks := c.Blocks.Cursor()
	for k := range c.Blocks.segments {
		end := c.Blocks.segments[k].end
		for i := c.Blocks.segments[k].first; i < c.Blocks.segments[k].first+c.Blocks.segments[k].n; i++ {
			b, _ := blocks.Next()
			if c.Shift >= sparse {
				end = b.Addr + b.Size
			}
			s.block(i, b, end)
		}
	}
	if s.swapped > 0 {
		c.Skipped = append(c.Skipped, Skip{Why: fmt.Sprintf("the contents of %d pages, which are swapped out", s.swapped)})
	}
	if _, err := w.heap.Params(); err != nil { // it has ended or runs another program
		return fmt.Errorf("read the blocks of a census: %w", err)
	}
	return nil
}

// scan is a reading of blocks.
type scan struct {
	win   *window
	visit func(i int, off uint64, content []byte)
	// swapped counts pages, the last of which ends at counted.
	swapped, counted uint64
}

// block reads a block. end is up to where the window may read.
func (s *scan) block(i int, b Block, end uint64) {
	for at, stop := b.Addr, b.Addr+b.Size; at < stop; {
		if !s.win.holds(at) {
			s.win.fill(at, end)
		}
		first := (at - s.win.start) / pageSize
		last := first
		there := s.win.there[first]
		for to := s.win.start + (last+1)*pageSize; to < stop && last+1 < uint64(len(s.win.there)) && s.win.there[last+1] == there; to += pageSize {
			last++
		}
		to := min(stop, s.win.start+(last+1)*pageSize)
		if there {
			s.visit(i, at-b.Addr, s.win.buf[at-s.win.start:to-s.win.start])
		} else {
			s.absent(first, last)
			to = s.win.behind(to-1, stop)
		}
		at = to
	}
}

// absent counts the pages that are swapped out.
func (s *scan) absent(first, last uint64) {
	for page := first; page <= last; page++ {
		end := s.win.start + (page+1)*pageSize
		if s.win.states[page] == procmem.Swapped && end > s.counted {
			s.counted = end
			s.swapped++
		}
	}
}
