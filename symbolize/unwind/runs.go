package unwind

// Most rows belong to the pushes at the start of a function and to the pops at its end, which
// look the same in many functions. A run replaces such a sequence by one row. The row's rule,
// of kind CFARun, says how many bytes after the row's address each further rule starts, and
// where in the dictionary the rules are.

const (
	// maxRunBytes is the most bytes from the start of a run's first rule to the start of its
	// last: the mask in Rule.CFAOffset has a bit for each byte.
	maxRunBytes = 32
	// runRowsPerEntry is how many rows a run has to save for each dictionary entry that it
	// adds. An entry takes the memory of two rows, but there are only 65,536 entries for all
	// files.
	runRowsPerEntry = 8
)

// runGaps are the largest distances in bytes between neighbouring rows of a run, one for each
// pass over the table. Long sequences save most, but the more code there is between two rows,
// the fewer functions share it. What is too rare in one pass is tried in shorter pieces in the
// next.
var runGaps = [...]uint32{8, 4, 2}

// runBuilder replaces rows of a table by runs.
type runBuilder struct {
	table     *Table
	dict      *Dictionary
	rules     []Rule // those that the table's rows refer to
	sequences map[string]*sequence
	key       []byte // scratch of find
}

// sequence is what is known about equal sequences of rows.
type sequence struct {
	uses  int
	asked bool   // index has been determined
	index uint16 // of the run, 0 for none
}

// joinRuns replaces rows of the table by runs where that saves memory.
func joinRuns(t *Table, d *Dictionary) {
	b := runBuilder{table: t, dict: d, sequences: make(map[string]*sequence)}
	for _, gap := range runGaps {
		b.rules = d.Rules()
		clear(b.sequences)
		b.count(gap)
		b.replace(gap)
	}
}

// count counts how often each sequence occurs.
func (b *runBuilder) count(gap uint32) {
	t := b.table
	for page := range len(t.Pages) - 1 {
		rows := t.Rows[t.Pages[page]:t.Pages[page+1]]
		for len(rows) > 0 {
			n := b.group(rows, gap)
			if n > 1 {
				if s := b.find(rows[:n], true); s != nil {
					s.uses++
				}
			}
			rows = rows[n:]
		}
	}
}

// replace rewrites the table in place: it does not grow.
func (b *runBuilder) replace(gap uint32) {
	t := b.table
	out, begin := t.Rows[:0], t.Pages[0]
	for page := range len(t.Pages) - 1 {
		end := t.Pages[page+1]
		rows := t.Rows[begin:end]
		begin = end
		t.Pages[page] = uint32(len(out))
		for len(rows) > 0 {
			n := b.group(rows, gap)
			if run := b.runFor(rows[:n]); run != 0 {
				out = append(out, uint32(run)<<16|rows[0]&0xffff)
			} else {
				out = append(out, rows[:n]...)
			}
			rows = rows[n:]
		}
	}
	t.Pages[len(t.Pages)-1] = uint32(len(out))
	t.Rows = out
}

// group returns how many rows, from the first on, one run could replace, at least 1. A run
// does not contain runs.
func (b *runBuilder) group(rows []uint32, gap uint32) int {
	if b.isRun(rows[0]) {
		return 1
	}
	start := rows[0] & 0xffff
	last, n := start, 1
	for n < len(rows) {
		at := rows[n] & 0xffff
		if at-last > gap || at-start > maxRunBytes || b.isRun(rows[n]) {
			break
		}
		last = at
		n++
	}
	return n
}

func (b *runBuilder) isRun(row uint32) bool { return b.rules[row>>16].CFA == CFARun }

// find returns what is known about the rows, or nil. With add, it adds an unknown sequence as
// long as there is room.
func (b *runBuilder) find(rows []uint32, add bool) *sequence {
	b.key = b.key[:0]
	for _, row := range rows {
		b.key = append(b.key, uint8(row-rows[0]), uint8(row>>16), uint8(row>>24))
	}
	s := b.sequences[string(b.key)]
	if s == nil && add && len(b.sequences) < maxSequences {
		s = new(sequence)
		b.sequences[string(b.key)] = s
	}
	return s
}

// runFor returns the index of the run that replaces the rows, or 0 if they are better kept.
func (b *runBuilder) runFor(rows []uint32) uint16 {
	if len(rows) < 2 {
		return 0
	}
	s := b.find(rows, false)
	if s == nil {
		return 0
	}
	if !s.asked {
		s.asked = true
		s.index = b.intern(rows, s.uses)
	}
	return s.index
}

// intern returns the index of the rows' run, or 0 if it would add more to the dictionary than
// its uses are worth.
func (b *runBuilder) intern(rows []uint32, uses int) uint16 {
	var mask uint32
	indices := make([]uint16, len(rows))
	for i, row := range rows {
		indices[i] = uint16(row >> 16)
		if i > 0 {
			mask |= 1 << (row&0xffff - rows[0]&0xffff - 1)
		}
	}
	return b.dict.internRun(mask, indices, uses*(len(rows)-1)/runRowsPerEntry)
}
