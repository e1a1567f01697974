package gotable

import "encoding/binary"

// Call is a call in progress at an address.
type Call struct {
	Name, File string
	Line       int
	Inline     bool // inlined into the next one
}

const (
	// maxInline bounds how deep calls are inlined.
	maxInline = 64
	// inlineIndex and inlineTree are the numbers of the tables that say which inlined call an
	// address belongs to, and of the trees of these calls.
	inlineIndex = 2
	inlineTree  = 3
	// inlineSize is the size of a node of a tree since Go 1.20 (struct inlinedCall of
	// runtime/symtabinl.go).
	inlineSize = 16
)

// Lookup returns the calls in progress at an address, innermost first. It returns nil if no
// function is known there.
func (t *Table) Lookup(pc uint64) []Call {
	f, ok := t.Find(pc)
	if !ok {
		return nil
	}
	var calls []Call
	for len(calls) < maxInline {
		name, parent, inline := f.inlinedAt(pc)
		if !inline || parent < f.Start || parent >= f.End {
			break
		}
		calls = append(calls, Call{Name: name, File: f.file(pc), Line: f.line(pc), Inline: true})
		pc = parent
	}
	return append(calls, Call{Name: f.Name(), File: f.file(pc), Line: f.line(pc)})
}

func (f Func) line(pc uint64) int { return max(0, int(f.value(f.field(fieldLines), pc))) }

// file returns the file that an address comes from: files are numbered within a unit of
// compilation.
func (f Func) file(pc uint64) string {
	number := f.value(f.field(fieldFiles), pc)
	if number < 0 {
		return ""
	}
	at := uint64(f.field(fieldUnit)) + uint64(number)
	if at >= uint64(len(f.table.units)/4) {
		return ""
	}
	off := binary.LittleEndian.Uint32(f.table.units[4*at:])
	return text(f.table.files, off)
}

// inlinedAt returns the innermost inlined call at an address, and an address of the code that
// called it.
func (f Func) inlinedAt(pc uint64) (name string, parent uint64, ok bool) {
	t := f.table
	tables := f.field(fieldTables)
	if t.inline == nil || tables <= inlineIndex || tables > 64 || t.functions[f.at+t.described-1] <= inlineTree {
		return "", 0, false
	}
	values, ok := word(t.functions, f.at+t.described+4*inlineIndex)
	if !ok {
		return "", 0, false
	}
	tree, ok := word(t.functions, f.at+t.described+4*int(tables)+4*inlineTree)
	index := f.value(values, pc)
	if !ok || tree == 1<<32-1 || index < 0 {
		return "", 0, false
	}
	var node [inlineSize]byte
	if !t.inline.read(node[:], t.trees+uint64(tree)+uint64(index)*inlineSize) {
		return "", 0, false
	}
	at := binary.LittleEndian.Uint32(node[4:])
	// Names follow one another: anything else is no name, and the tree not one.
	if uint64(at) >= uint64(len(t.names)) || at > 0 && t.names[at-1] != 0 {
		return "", 0, false
	}
	return text(t.names, at), f.Start + uint64(binary.LittleEndian.Uint32(node[8:])), true
}
