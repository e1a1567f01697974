package srcinfo

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"memtrace/symbolize/internal/interval"
)

const (
	// maxLineData is the largest line table of a unit that is read, in bytes.
	maxLineData = 256 << 20
	// The following are sizes in memory.
	rowBytes      = 16
	fileBytes     = 32
	sequenceBytes = 48
	// rowsAtOnce is the number of rows for which memory is taken from the budget at a time.
	rowsAtOnce = 1024
)

// Opcodes of line number programs (section 6.2.5).
const (
	lnsExtended       = 0
	lnsCopy           = 1
	lnsAdvancePC      = 2
	lnsAdvanceLine    = 3
	lnsSetFile        = 4
	lnsConstAddPC     = 8
	lnsFixedAdvancePC = 9
	lneEndSequence    = 1
	lneSetAddress     = 2
	lneDefineFile     = 3
	maxSpecialOpcode  = 255
)

// lineRow says which source line the code from addr on comes from.
type lineRow struct {
	addr uint64
	file uint32
	line uint32
}

// lineTable is a unit's decoded line number program.
type lineTable struct {
	rows      []lineRow
	sequences interval.Set // contiguous code; Ref: index in bounds
	bounds    [][2]int     // the rows of each sequence
	header    *lineHeader
	paths     map[uint64]string
	path      func(file uint64) string
}

// lookup returns the file and line of an address, or "" and 0 if unknown. A known file with
// line 0 is code that belongs to no line.
func (t *lineTable) lookup(addr uint64) (file string, line int) {
	if t == nil {
		return "", 0
	}
	e, ok := t.sequences.Find(addr)
	if !ok {
		return "", 0
	}
	rows := t.rows[t.bounds[e.Ref][0]:t.bounds[e.Ref][1]]
	i := sort.Search(len(rows), func(i int) bool { return rows[i].addr > addr }) - 1
	if i < 0 {
		return "", 0
	}
	return t.fileName(uint64(rows[i].file)), int(rows[i].line)
}

// fileName returns the path of a file by its number in the table.
func (t *lineTable) fileName(file uint64) string {
	if t == nil || t.header == nil {
		return ""
	}
	name, ok := t.paths[file]
	if !ok {
		name = t.path(file)
		t.paths[file] = name
	}
	return name
}

// loadLines decodes a unit's line number program once.
func (d *Data) loadLines(u *unit) error {
	if u.lines != nil {
		return nil
	}
	u.lines = new(lineTable) // set it even if the table is malformed: there is no second try
	if u.stmtList.kind != kindConstant {
		return nil
	}
	off := u.stmtList.n
	start := cursor{data: d.line.upTo(off, 12), base: off}
	size, dwarf64 := start.length()
	if start.failed || size > maxLineData {
		return fmt.Errorf("line table at %#x: %w", off, errMalformed)
	}
	if err := d.budget.Work(size); err != nil {
		return err
	}
	data, err := d.line.at(start.pos(), size)
	if err != nil {
		return fmt.Errorf("line table at %#x: %w", off, err)
	}
	c := &cursor{data: data, base: start.pos()}
	h, err := c.readLineHeader(dwarf64, u.addrSize)
	if err != nil {
		return fmt.Errorf("line table at %#x: %w", off, err)
	}
	if err := d.budget.Keep(uint64(len(h.dirs)+len(h.files)) * fileBytes); err != nil {
		return err
	}
	m := lineMachine{c: c, h: h, d: d}
	err = m.run()
	*u.lines = lineTable{
		rows: m.rows, sequences: interval.New(m.sequences), bounds: m.bounds, header: h,
		paths: make(map[uint64]string),
		path:  func(file uint64) string { return d.filePath(u, h, file) },
	}
	if err != nil {
		return fmt.Errorf("line table at %#x: %w", off, err)
	}
	return nil
}

// lineMachine runs a line number program.
type lineMachine struct {
	c *cursor
	h *lineHeader
	d *Data

	addr uint64
	file uint64
	line int64

	rows      []lineRow
	sorted    bool // the rows of the current sequence are sorted so far
	first     int  // first row of the current sequence
	sequences []interval.Entry
	bounds    [][2]int
}

func (m *lineMachine) reset() {
	m.addr, m.file, m.line = 0, 1, 1
	m.first, m.sorted = len(m.rows), true
}

func (m *lineMachine) run() error {
	for m.reset(); m.c.more(); {
		op := m.c.u8()
		var err error
		switch {
		case op >= m.h.opcodeBase:
			adjusted := uint64(op - m.h.opcodeBase)
			m.addr += adjusted / m.h.lineRange * m.h.minInstLength
			m.line += m.h.lineBase + int64(adjusted%m.h.lineRange)
			err = m.emit()
		case op == lnsExtended:
			err = m.extended()
		default:
			err = m.standard(op)
		}
		if err != nil {
			return err
		}
	}
	if m.c.failed {
		return errMalformed
	}
	return nil
}

func (m *lineMachine) standard(op uint8) error {
	switch op {
	case lnsCopy:
		return m.emit()
	case lnsAdvancePC:
		m.addr += m.c.uleb() * m.h.minInstLength
	case lnsAdvanceLine:
		m.line += m.c.sleb()
	case lnsSetFile:
		m.file = m.c.uleb()
	case lnsConstAddPC:
		m.addr += uint64(maxSpecialOpcode-m.h.opcodeBase) / m.h.lineRange * m.h.minInstLength
	case lnsFixedAdvancePC:
		m.addr += uint64(m.c.u16())
	default:
		// These are columns, statements, blocks and prologues, or a future opcode, whose
		// operands the header counts.
		for range m.h.operands[op-1] {
			m.c.uleb()
		}
	}
	return nil
}

func (m *lineMachine) extended() error {
	size := m.c.uleb()
	if size == 0 {
		return nil
	}
	args := cursor{data: m.c.bytes(size)}
	args.base = m.c.pos() - uint64(len(args.data))
	switch args.u8() {
	case lneEndSequence:
		err := m.endSequence()
		m.reset()
		return err
	case lneSetAddress:
		m.addr = args.sized(uint8(min(args.left(), 255)))
	case lneDefineFile:
		if f, ok := args.fileEntry(); ok && len(m.h.files) <= maxLineFiles {
			m.h.files = append(m.h.files, f)
		}
	}
	return nil
}

// emit adds a row. Of several rows for one address the last counts, as in the GNU tools.
func (m *lineMachine) emit() error {
	row := lineRow{addr: m.addr, file: uint32(min(m.file, 1<<32-1)), line: uint32(min(max(m.line, 0), 1<<31-1))}
	if n := len(m.rows); n > m.first {
		last := &m.rows[n-1]
		switch {
		case last.addr == row.addr:
			*last = row
			return nil
		case last.file == row.file && last.line == row.line && last.addr < row.addr:
			return nil
		case last.addr > row.addr:
			m.sorted = false
		}
	}
	if len(m.rows)%rowsAtOnce == 0 {
		if err := m.d.budget.Keep(rowsAtOnce * rowBytes); err != nil {
			return err
		}
	}
	m.rows = append(m.rows, row)
	return nil
}

// endSequence keeps the rows of the current sequence if they are for code that the linker
// kept.
func (m *lineMachine) endSequence() error {
	rows := m.rows[m.first:]
	if len(rows) == 0 {
		return nil
	}
	if !m.sorted {
		slices.SortStableFunc(rows, func(a, b lineRow) int { return cmp.Compare(a.addr, b.addr) })
	}
	low := rows[0].addr
	if low >= m.addr || !m.d.executable(low) {
		m.rows = m.rows[:m.first]
		return nil
	}
	if err := m.d.budget.Keep(sequenceBytes); err != nil {
		return err
	}
	m.sequences = append(m.sequences, interval.Entry{Low: low, High: m.addr, Ref: uint32(len(m.bounds))})
	m.bounds = append(m.bounds, [2]int{m.first, len(m.rows)})
	return nil
}
