package unwind

import "sort"

const (
	pageShift = 16
	pageSize  = 1 << pageShift
)

// Table holds the rules of one ELF file by address. It is immutable once built.
//
// A row is 32 bits: the low 16 are the address within the 64 KiB page, the high 16 the rule's
// index in the Dictionary. It applies from that address up to the next row. The rows of a page
// are sorted by address, without duplicates, and the first is at address 0 of the page, so a
// search never leaves its page. Addresses that no FDE covers have the rule CFAUnknown, except
// in the padding between functions (see isPadding), which the previous row covers. A row whose
// rule is a run stands for several rows of the same page (see runs.go).
type Table struct {
	// Base is the address (ELF p_vaddr) of page 0, a multiple of 64 KiB.
	Base uint64
	// Pages[i] to Pages[i+1] are the indices into Rows of page i, which starts at Base +
	// i*65536. There is one more entry than there are pages.
	Pages []uint32
	// Rows are the rows of all pages.
	Rows []uint32
}

// Lookup returns the dictionary index of the rule for the address pc of the file, or 0
// (CFAUnknown) if there is none. rules are those of the table's dictionary. It is the
// reference for the search in BPF, which must give the same answer. For a return address, pass
// that address minus 1: the call may have been the last instruction that its row covers.
func (t *Table) Lookup(pc uint64, rules []Rule) uint16 {
	if pc < t.Base {
		return 0
	}
	page := (pc - t.Base) >> pageShift
	if page+1 >= uint64(len(t.Pages)) {
		return 0
	}
	rows := t.Rows[t.Pages[page]:t.Pages[page+1]]
	at := uint32(pc & (pageSize - 1))
	n := sort.Search(len(rows), func(i int) bool { return rows[i]&0xffff > at })
	row := rows[n-1]
	if r := rules[row>>16]; r.CFA == CFARun {
		return r.at(at - row&0xffff)
	}
	return uint16(row >> 16)
}

// Bytes returns the memory that the table's contents take.
func (t *Table) Bytes() int { return 4 * (len(t.Pages) + len(t.Rows)) }

// tableWriter distributes rows, which come in order of address, over pages.
type tableWriter struct {
	table Table
	base  uint64 // address of page 0
	last  uint16 // index of the row in force
	end   uint64 // address up to which pages were started
}

// newTableWriter returns a writer for rows at addresses from start on.
func newTableWriter(start uint64, rows int) *tableWriter {
	base := start &^ (pageSize - 1)
	w := &tableWriter{base: base, end: base}
	w.table.Base = base
	w.table.Rows = make([]uint32, 0, rows)
	w.startPages(start)
	return w
}

// startPages starts every page up to the one that holds pc, each with the row in force there.
func (w *tableWriter) startPages(pc uint64) {
	for pc >= w.end {
		w.table.Pages = append(w.table.Pages, uint32(len(w.table.Rows)))
		w.table.Rows = append(w.table.Rows, uint32(w.last)<<16)
		w.end += pageSize
	}
}

// put adds a row. pc must be above those of the previous rows, or equal to the start of the
// page.
func (w *tableWriter) put(pc uint64, index uint16) {
	if index == w.last {
		return // the row in force continues, also over page boundaries
	}
	w.startPages(pc)
	row := uint32(index)<<16 | uint32(pc&(pageSize-1))
	if row&0xffff == 0 {
		w.table.Rows[len(w.table.Rows)-1] = row // replaces the carried row
	} else {
		w.table.Rows = append(w.table.Rows, row)
	}
	w.last = index
}

// finish ends the table at address end. Nothing is known from there on.
func (w *tableWriter) finish(end uint64) *Table {
	w.startPages(end - 1)
	if end < w.end {
		w.put(end, 0)
	}
	w.table.Pages = append(w.table.Pages, uint32(len(w.table.Rows)))
	return &w.table
}
