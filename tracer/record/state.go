package record

import (
	"encoding/binary"
	"maps"
	"math"
	"math/bits"
	"slices"
)

// processMeta is what a snapshot has of one process beside its stacks.
type processMeta struct {
	number uint32
	meta   []byte // the report without its stacks, in JSON
}

// state is what one snapshot says, and what changed since the one before.
type state struct {
	columns   [len(tables)][]column
	processes []processMeta
	rows      map[uint32]*row
	// before has the rows that changed, as they were at the last snapshot: nil for those that were
	// not there.
	before map[uint32]*row
	// texts are the bytes of all texts in rows, of which there may be mostTexts.
	texts, mostTexts int
}

const (
	// mostTexts bounds the texts of all rows of a snapshot, in bytes. What does not fit is left out
	// when it is written, and refused when it is read.
	mostTexts = 128 << 20
	// mostMeta bounds what a snapshot has of one process beside its stacks.
	mostMeta = 64 << 20
)

func newState(columns [len(tables)][]column) *state {
	return &state{columns: columns, rows: make(map[uint32]*row), before: make(map[uint32]*row), mostTexts: mostTexts}
}

// set puts a row in the place of the one with its number, or removes that if r is nil.
func (s *state) set(number uint32, r *row) {
	if _, known := s.before[number]; !known {
		s.before[number] = s.rows[number]
	}
	s.texts += r.size() - s.rows[number].size()
	if r == nil {
		delete(s.rows, number)
		return
	}
	s.rows[number] = r
}

// settle makes the state the one that the next changes are against.
func (s *state) settle() { clear(s.before) }

// metas is the part of a snapshot that its successor is compressed by.
func (s *state) metas() []byte {
	b := binary.AppendUvarint(nil, uint64(len(s.processes)))
	for _, p := range s.processes {
		b = binary.AppendUvarint(b, uint64(p.number))
		b = binary.AppendUvarint(b, uint64(len(p.meta)))
		b = append(b, p.meta...)
	}
	return b
}

// key encodes the whole state, after its metas.
func (s *state) key() []byte {
	numbers := slices.Sorted(maps.Keys(s.rows))
	b := binary.AppendUvarint(nil, 0) // nothing is removed
	b = binary.AppendUvarint(b, uint64(len(numbers)))
	last := uint32(0)
	for _, n := range numbers {
		b = binary.AppendUvarint(b, uint64(n-last))
		b, last = s.appendRow(b, s.rows[n], nil), n
	}
	return b
}

// changes encodes what changed since settle, after the metas.
func (s *state) changes() []byte {
	var removed, changed []uint32
	for _, n := range slices.Sorted(maps.Keys(s.before)) {
		switch now := s.rows[n]; {
		case now != nil:
			changed = append(changed, n)
		case s.before[n] != nil:
			removed = append(removed, n)
		}
	}
	b := binary.AppendUvarint(nil, uint64(len(removed)))
	last := uint32(0)
	for _, n := range removed {
		b, last = binary.AppendUvarint(b, uint64(n-last)), n
	}
	b, last = binary.AppendUvarint(b, uint64(len(changed))), 0
	for _, n := range changed {
		b = binary.AppendUvarint(b, uint64(n-last))
		b, last = s.appendRow(b, s.rows[n], s.before[n]), n
	}
	return b
}

// appendRow encodes a row by what differs from the one before, which may be nil.
func (s *state) appendRow(b []byte, r, before *row) []byte {
	columns := s.columns[r.table]
	b = append(b, byte(r.table))
	mask := len(b)
	b = append(b, make([]byte, (len(columns)+7)/8)...)
	for i := range columns {
		var old uint64
		if before != nil {
			old = before.cells[i]
		}
		if columns[i].Kind == kindJSON {
			if before == nil && r.texts[i] == "" || before != nil && r.texts[i] == before.texts[i] {
				continue
			}
			b = append(binary.AppendUvarint(b, uint64(len(r.texts[i]))), r.texts[i]...)
		} else {
			if r.cells[i] == old {
				continue
			}
			b = binary.AppendUvarint(b, pack(columns[i].Kind, r.cells[i], old))
		}
		b[mask+i/8] |= 1 << (i % 8)
	}
	return b
}

// pack makes a small number of a cell and the one before.
func pack(k kind, now, old uint64) uint64 {
	switch k {
	case kindFloat:
		return bits.ReverseBytes64(now ^ old)
	case kindString, kindBool, kindPresent:
		return now
	}
	return zigzag(int64(now - old))
}

func unpack(k kind, packed, old uint64) uint64 {
	switch k {
	case kindFloat:
		return bits.ReverseBytes64(packed) ^ old
	case kindString, kindBool, kindPresent:
		return packed
	}
	return old + uint64(unzigzag(packed))
}

// drift is the part of a figure by which it may be off between marks, if nothing else of its stack
// changes.
const drift = 0.005

// differs reports whether a row has to be kept anew.
func (s *state) differs(now, old *row, exact bool) bool {
	if !maps.Equal(now.texts, old.texts) {
		return true
	}
	for i, c := range s.columns[now.table] {
		a, b := now.cells[i], old.cells[i]
		if a == b {
			continue
		}
		if exact || c.Kind != kindFloat {
			return true
		}
		x, y := math.Float64frombits(a), math.Float64frombits(b)
		if !(math.Abs(x-y) <= drift*math.Abs(y)) {
			return true
		}
	}
	return false
}
