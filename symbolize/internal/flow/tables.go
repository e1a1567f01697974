package flow

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"memtrace/symbolize/internal/x86"
)

// tables recognizes jumps by tables, as compilers make them of switch statements: a comparison
// with the number of the last case, a branch to the default, and a jump by a table of addresses,
// or of distances from the table. It sees instructions in the order of their addresses.
type tables struct {
	constant [16]uint64 // values of registers, 0 if not known
	compared int64
	// entries is how many the table has at most, 0 if that is not known. at is where the last
	// table is that was read, 0 if none was.
	entries int64
	at      uint64
	size    uint8
}

// mostCases bounds the entries that are read of a table.
const mostCases = 2048

// step takes the next instruction. It returns true at a jump by a table.
func (t *tables) step(inst *x86.Inst) bool {
	switch inst.Op {
	case x86.CompareImm:
		t.compared = inst.Imm
	case x86.Compare, x86.Add, x86.And:
		t.compared = 0
	case x86.Branch:
		if inst.Above || inst.AtLeast {
			t.entries = max(t.compared, 0)
		}
		if inst.Above && t.entries > 0 {
			t.entries++
		}
		return false
	case x86.Ret, x86.Jump:
		t.entries, t.at, t.compared = 0, 0, 0
	}
	if inst.Table != 0 {
		t.size, t.at = inst.Table, uint64(inst.Imm)
		if inst.Base != x86.None {
			t.at = t.constant[inst.Base&15]
		}
	}
	if inst.Op == x86.JumpIndirect {
		return t.at != 0
	}
	for r := range t.constant {
		if inst.Writes>>r&1 == 1 {
			t.constant[r] = 0
		}
	}
	if inst.Reg != x86.None && inst.Op != x86.Push && inst.Op != x86.Compare && inst.Op != x86.Store {
		t.constant[inst.Reg&15] = 0
		if inst.Op == x86.LeaCode {
			t.constant[inst.Reg&15] = inst.Target
		}
	}
	return false
}

// table is one that a jump goes by. entries is 0 if its length is not known.
type table struct {
	jump, at uint64
	entries  int64
	size     uint8
}

// take returns the table of the jump at pc.
func (t *tables) take(pc uint64) table {
	found := table{pc, t.at, t.entries, t.size}
	t.entries, t.at = 0, 0
	return found
}

// readTables notes where the jumps by tables lead. A table of unknown length ends at the first
// entry that is no address of code, or where another table starts.
func (a *analysis) readTables(all []table) {
	const most = 1 << 20 // entries of all tables, more than the largest programs have
	left := int64(most)
	slices.SortFunc(all, func(x, y table) int { return cmp.Compare(y.at, x.at) })
	next, current := uint64(math.MaxUint64), uint64(math.MaxUint64)
	for _, t := range all {
		if t.at != current {
			next, current = current, t.at
		}
		n, size := t.entries, uint64(t.size)
		if n <= 0 || n > mostCases {
			n = int64(min(mostCases, (next-t.at)/size))
		}
		n = min(n, left)
		left -= n
		raw := a.in.Read(t.at, int(n)*int(size))
		var to []uint64
		for i := uint64(0); i < uint64(n); i++ {
			pc := a.in.entry(raw, t.at, i, size)
			if a.in.part(pc) == nil {
				break
			}
			a.leader(pc)
			to = append(to, pc)
		}
		a.switches[t.jump] = to
	}
}

// entry returns where entry i of the table at an address leads, 0 if there is none. A table of
// addresses may be left to relocations.
func (in *Input) entry(raw []byte, at, i, size uint64) uint64 {
	rest := raw[min(i*size, uint64(len(raw))):]
	switch {
	case uint64(len(rest)) < size:
		return 0
	case size == 4:
		return at + uint64(int32(binary.LittleEndian.Uint32(rest)))
	}
	if pc := binary.LittleEndian.Uint64(rest); pc != 0 {
		return pc
	}
	return in.Words[at+i*size]
}
