package gotable

import "iter"

// Range is a range of addresses with a value; End is exclusive.
type Range struct {
	Start, End uint64
	Value      int32
}

// Frames returns how many bytes below the return address the stack pointer is, by address. It
// is empty for code that Go's compiler did not make.
func (f Func) Frames() iter.Seq[Range] { return f.values(f.field(fieldFrames)) }

// values decodes a table of values: pairs of a difference in value, zigzag, and one in address.
// The value starts at -1, and a difference of 0 ends the table, except at its start.
func (f Func) values(off uint32) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		t := f.table
		if off == 0 || uint64(off) >= uint64(len(t.values)) {
			return
		}
		data := t.values[off:]
		r := Range{End: f.Start, Value: -1}
		for r.End < f.End {
			change, rest, ok := uvarint(data)
			if !ok || change == 0 && r.End != f.Start {
				return
			}
			length, rest, ok := uvarint(rest)
			if !ok || length == 0 || t.budget.Work(uint64(len(data)-len(rest))) != nil {
				return
			}
			data = rest
			r.Value += int32(change>>1) ^ -int32(change&1)
			r.Start, r.End = r.End, min(r.End+uint64(length)*t.unit, f.End)
			if !yield(r) {
				return
			}
		}
	}
}

// value returns the value at an address, -1 if there is none.
func (f Func) value(off uint32, pc uint64) int32 {
	for r := range f.values(off) {
		if pc < r.End {
			return r.Value
		}
	}
	return -1
}

func uvarint(data []byte) (v uint32, rest []byte, ok bool) {
	for i := range min(len(data), 5) {
		v |= uint32(data[i]&0x7f) << (7 * i)
		if data[i] < 0x80 {
			return v, data[i+1:], true
		}
	}
	return 0, nil, false
}
