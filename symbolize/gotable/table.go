package gotable

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"

	"memtrace/symbolize/elffile"
)

var (
	// ErrNone means that the file is not a Go program.
	ErrNone = errors.New("no table of Go functions")
	// ErrDamaged means that the table contradicts itself or the file.
	ErrDamaged = errors.New("damaged table of Go functions")
)

const (
	// maxBytes bounds the table. That of Kubernetes' API server has 30 MB.
	maxBytes = 48 << 20
	// maxName bounds the names of functions and files, in bytes.
	maxName = 4096
)

// The magic numbers, which say the layout.
const (
	magic118 = 0xfffffff0
	magic120 = 0xfffffff1
)

// Table is the table of a file.
type Table struct {
	text  uint64 // address that functions are relative to
	count int
	unit  uint64 // of distances between addresses, in bytes
	// budget bounds what is decoded: one table of values may be all that a hostile file has.
	budget *elffile.Budget

	names, units, files, values []byte
	// functions starts with pairs of 32-bit numbers, the start of a function and where in
	// functions it is described. One more start is the end of the last function.
	functions []byte
	// described is the size of a description without the lists that follow it.
	described int
	// inline reads the trees of inlined calls, nil if they were not found.
	inline *memory
	trees  uint64 // address that references to trees are relative to
}

// Open returns the table of a file, or an error that wraps ErrNone, ErrDamaged or one from
// reading the file. The table is kept in memory.
func Open(f *elffile.File, budget *elffile.Budget) (*Table, error) {
	data, address, err := find(f, budget)
	if err != nil {
		return nil, err
	}
	if err := budget.Keep(uint64(len(data))); err != nil {
		return nil, err
	}
	t, err := parse(data, budget)
	if err != nil {
		return nil, err
	}
	if err := t.locate(f, data, address); err != nil {
		return nil, err
	}
	return t, nil
}

// isHeader reports whether data starts as a table does: the magic number, two zeros, the size of
// the shortest instruction and that of a pointer.
func isHeader(data []byte) bool {
	if len(data) < headerSize || data[4] != 0 || data[5] != 0 || data[6] != 1 && data[6] != 4 || data[7] != 8 {
		return false
	}
	magic := binary.LittleEndian.Uint32(data)
	return magic == magic118 || magic == magic120
}

const headerSize = 8 + 8*8

// header returns a word of the header: the number of functions, that of files, the start of the
// text (before Go 1.26), and offsets of names, units, files, values and functions.
func header(data []byte, i int) uint64 { return binary.LittleEndian.Uint64(data[8+8*i:]) }

func parse(data []byte, budget *elffile.Budget) (*Table, error) {
	if !isHeader(data) {
		return nil, ErrNone
	}
	t := &Table{described: 40, budget: budget, unit: uint64(data[6])}
	if binary.LittleEndian.Uint32(data) == magic120 {
		t.described = 44
	}
	parts := []*[]byte{&t.names, &t.units, &t.files, &t.values, &t.functions}
	for i, part := range parts {
		off := header(data, 3+i)
		if off > uint64(len(data)) {
			return nil, fmt.Errorf("%w: part %d at %#x of %#x", ErrDamaged, i, off, len(data))
		}
		*part = data[off:]
	}
	count := header(data, 0)
	if count == 0 || count > uint64(len(t.functions)/8) || len(t.functions) < int(count)*8+4 {
		return nil, fmt.Errorf("%w: %d functions", ErrDamaged, count)
	}
	t.count = int(count)
	return t, nil
}

// word returns the 32-bit number at an offset, or false beyond the end.
func word(data []byte, off int) (uint32, bool) {
	if off < 0 || off > len(data)-4 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(data[off:]), true
}

// text returns the string at an offset, cut off if it is longer than any real one.
func text(data []byte, off uint32) string {
	if uint64(off) >= uint64(len(data)) {
		return ""
	}
	data = data[off:min(int(off)+maxName, len(data))]
	if end := bytes.IndexByte(data, 0); end >= 0 {
		data = data[:end]
	}
	return string(data)
}

// Func is a function.
type Func struct {
	// Start and End are addresses of the file; End is exclusive and includes padding.
	Start, End uint64
	table      *Table
	at         int // offset of its description in table.functions
}

// Len returns the number of functions.
func (t *Table) Len() int { return t.count }

// start returns where function i starts, relative to the text.
func (t *Table) start(i int) uint32 { return binary.LittleEndian.Uint32(t.functions[8*i:]) }

// Func returns function i in order of address. ok is false if it is damaged.
func (t *Table) Func(i int) (f Func, ok bool) {
	at := binary.LittleEndian.Uint32(t.functions[8*i+4:])
	f = Func{t.text + uint64(t.start(i)), t.text + uint64(t.start(i+1)), t, int(at)}
	return f, f.Start < f.End && uint64(at)+uint64(t.described) <= uint64(len(t.functions))
}

// Find returns the function that holds an address.
func (t *Table) Find(pc uint64) (f Func, ok bool) {
	if pc < t.text || pc-t.text > 1<<32-1 {
		return Func{}, false
	}
	at := uint32(pc - t.text)
	i := sort.Search(t.count, func(i int) bool { return t.start(i) > at }) - 1
	if i < 0 || at >= t.start(i+1) {
		return Func{}, false
	}
	return t.Func(i)
}

// The fields of a description (struct _func of runtime/runtime2.go), by offset.
const (
	fieldName   = 4
	fieldFrames = 16
	fieldFiles  = 20
	fieldLines  = 24
	fieldTables = 28 // how many further tables of values it has
	fieldUnit   = 32
)

func (f Func) field(off int) uint32 { return binary.LittleEndian.Uint32(f.table.functions[f.at+off:]) }

// Name returns the function's name, such as "net/http.(*conn).serve".
func (f Func) Name() string { return text(f.table.names, f.field(fieldName)) }

// The bits of a description's flags (abi.FuncFlag).
const (
	flagOutermost = 1 << iota
	flagSetsStack
)

func (f Func) flags() uint8 { return f.table.functions[f.at+f.table.described-3] }

// Outermost reports whether the function is the first of its stack, so that its return address
// means nothing.
func (f Func) Outermost() bool { return f.flags()&flagOutermost != 0 }

// SetsStack reports whether the function loads the stack pointer with anything but a sum of
// itself and a constant. What Frames says does not hold then.
func (f Func) SetsStack() bool { return f.flags()&flagSetsStack != 0 }
