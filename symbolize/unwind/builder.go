package unwind

import (
	"cmp"
	"slices"
)

// addresses is a range of addresses of the file; end is exclusive.
type addresses struct{ start, end uint64 }

// rowIndexBits is the size of the dictionary index in a row of a builder. The bits above it
// are the address, relative to builder.low.
const rowIndexBits = 16

// builder collects the rows of all FDEs of a file and assembles the table.
type builder struct {
	frames frames
	text   []addresses // executable segments
	low    uint64      // address that packed rows are relative to
	dict   *Dictionary
	stats  *Stats
	golang *golang // nil if the file is not a Go program

	cies  map[uint64]*cie // by offset; nil for an unusable CIE
	index map[Rule]uint16 // indices that dict has returned so far
	rule  Rule            // the last one looked up in index
	ruleN uint16          // and its index
	spans []span
	rows  []uint64
	stack []state
}

// span is the code that one FDE covers, with its rows.
type span struct {
	addresses
	firstRow, rows uint32 // in builder.rows
}

// collect reads all entries of the section.
func (b *builder) collect() {
	b.cies = make(map[uint64]*cie)
	b.index = make(map[Rule]uint16)
	if b.golang != nil {
		b.collectGolang(b.golang) // first: it holds where .debug_frame has the same functions
	}
	for at := 0; at < len(b.frames.data); {
		e, next, ok := b.frames.entryAt(at)
		if !ok && e.end > at {
			return // the terminator, which is a complete entry
		}
		if !ok || len(b.spans) >= maxFDEs || len(b.rows) >= maxRows {
			b.stats.Unsupported[ReasonTruncated]++
			return
		}
		if !e.isCIE && e.body < e.end {
			b.collectFDE(e)
		}
		at = next
	}
}

// collectFDE reads one FDE and appends its rows.
func (b *builder) collectFDE(e entry) {
	common := b.cie(e.cieAt)
	if common == nil {
		b.stats.Unsupported[ReasonCIE]++
		return
	}
	f, ok := b.frames.parseFDE(e, common)
	if !ok {
		b.stats.Unsupported[ReasonFDE]++
		return
	}
	if f.start == f.end {
		return // it covers nothing
	}
	if !b.executable(f.start, f.end) {
		b.stats.Unsupported[ReasonOutside]++
		return
	}
	first := len(b.rows)
	b.run(f)
	b.span(f.start, f.end, first)
}

// span notes the rows from first on, which are those of start..end.
func (b *builder) span(start, end uint64, first int) {
	b.stats.FDERows += len(b.rows) - first
	b.spans = append(b.spans, span{addresses{start, end}, uint32(first), uint32(len(b.rows) - first)})
}

// cie returns the CIE at that offset of the section, or nil if it is unusable.
func (b *builder) cie(at uint64) *cie {
	common, ok := b.cies[at]
	if ok || len(b.cies) >= maxCIEs {
		return common
	}
	common = b.frames.parseCIE(at)
	b.cies[at] = common
	if common != nil {
		b.stats.CIEs++
	}
	return common
}

// executable reports whether a single executable segment holds all of start..end. Address 0,
// to which linkers move what they dropped, holds no code.
func (b *builder) executable(start, end uint64) bool {
	if start == 0 || (end-1-b.low)>>pageShift >= maxPages {
		return false
	}
	return slices.ContainsFunc(b.text, func(t addresses) bool {
		return t.start <= start && end <= t.end
	})
}

// run executes the FDE's instructions. It appends a row for each address at which the state
// may change, including the FDE's start. The rest of the FDE is CFAUnknown after an
// instruction that cannot be executed, or when there are too many rows.
func (b *builder) run(f fde) {
	p := program{
		cur: f.cie.initial, initial: &f.cie.initial, cie: f.cie,
		code: f.code, bases: b.frames.bases, loc: f.start, stack: b.stack[:0],
	}
	for more := true; more && p.loc < f.end; {
		var next uint64
		var ok bool
		next, more, ok = p.run()
		if !ok {
			b.stats.Unsupported[ReasonInstruction]++
			b.append(p.loc, 0)
			break
		}
		if len(b.rows) >= maxRows {
			b.stats.Unsupported[ReasonTruncated]++
			b.append(p.loc, 0)
			break
		}
		if more && next == p.loc {
			continue // an advance by nothing makes no row
		}
		b.append(p.loc, b.indexOf(&p.cur))
		p.loc = next
	}
	b.stack = p.stack
}

func (b *builder) append(pc uint64, index uint16) {
	b.rows = append(b.rows, (pc-b.low)<<rowIndexBits|uint64(index))
}

// indexOf returns the dictionary index of the state's rule, or 0 if the state has none.
func (b *builder) indexOf(s *state) uint16 {
	r, reason, ok := s.rule()
	if !ok {
		b.stats.Unsupported[reason]++
	}
	return b.indexOfRule(r)
}

// indexOfRule returns the dictionary index of a rule, or 0 if the dictionary is full.
func (b *builder) indexOfRule(r Rule) uint16 {
	if r == b.rule {
		return b.ruleN
	}
	i, ok := b.index[r]
	if !ok {
		if i, ok = b.dict.intern(r); !ok {
			b.stats.Unsupported[ReasonDictionary]++
			return 0
		}
		b.index[r] = i
	}
	b.rule, b.ruleN = r, i
	return i
}

// functionAlignment is the alignment that compilers give functions of x86-64, in bytes.
const functionAlignment = 16

// isPadding reports whether the gap between two FDEs is too small to hold an aligned function,
// so that no frame can be in it. The previous row then extends through the gap. Most functions
// end with the rule that the next one starts with, so this saves two rows for each function,
// up to a quarter of a table.
func isPadding(start, end uint64) bool {
	return end-start < functionAlignment && end%functionAlignment == 0
}

// assemble puts the rows into a table in order of address. Where FDEs overlap, the one that
// starts later holds from its start on. The other is cut there, and nothing is known behind
// the end of the later one. That is the FDE that GCC's unwinder finds by binary search in
// .eh_frame_hdr. Of FDEs with the same start, the first in the file holds.
func (b *builder) assemble() *Table {
	if len(b.spans) == 0 {
		return &Table{Pages: []uint32{0}}
	}
	slices.SortFunc(b.spans, func(x, y span) int {
		return cmp.Or(cmp.Compare(x.start, y.start), cmp.Compare(x.firstRow, y.firstRow))
	})
	spans := slices.CompactFunc(b.spans, func(x, y span) bool { return x.start == y.start })
	b.stats.FDEs = len(spans) - b.stats.Analysed
	b.stats.Unsupported[ReasonDuplicate] += len(b.spans) - len(spans)

	w := newTableWriter(spans[0].start, len(b.rows)/2)
	for i, s := range spans {
		if i > 0 && spans[i-1].end < s.start && !isPadding(spans[i-1].end, s.start) {
			w.put(spans[i-1].end, 0)
		}
		end := s.end
		if i+1 < len(spans) && spans[i+1].start < end {
			end = spans[i+1].start
			spans[i].end = end
			b.stats.Unsupported[ReasonOverlap]++
		}
		for _, row := range b.rows[s.firstRow : s.firstRow+s.rows] {
			pc := b.low + row>>rowIndexBits
			if pc >= end {
				break
			}
			w.put(pc, uint16(row))
		}
		b.stats.CoveredBytes += end - s.start
	}
	return w.finish(spans[len(spans)-1].end)
}
