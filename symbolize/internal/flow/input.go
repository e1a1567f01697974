package flow

import (
	"slices"
	"sort"
)

// Part is a piece of code.
type Part struct {
	Start uint64
	Code  []byte
	marks []uint8 // one for each byte
}

func (p *Part) end() uint64 { return p.Start + uint64(len(p.Code)) }

// Function is a known function. Size is 0 if it is not known.
type Function struct{ Start, Size uint64 }

// Input is what to analyse. Parts and Functions are in order of address and do not overlap.
type Input struct {
	Parts     []Part
	Functions []Function
	// Pointers are addresses that data refers to. Those of code may be functions.
	Pointers []uint64
	// Read returns up to so many bytes of the file's memory from an address on, nil if there are
	// none.
	Read func(addr uint64, n int) []byte
	// Words are what relocations put into data, by address, and NoReturn the words that get the
	// addresses of functions that never return.
	Words    map[uint64]uint64
	NoReturn map[uint64]bool
	// Entry is where the file begins to run, if it is a program or its loader.
	Entry uint64
	// Fixed: the code runs at these addresses and no others.
	Fixed bool

	last *Part // that was asked for
}

// part returns the part that holds an address.
func (in *Input) part(pc uint64) *Part {
	if last := in.last; last != nil && pc >= last.Start && pc < last.end() {
		return last
	}
	i := sort.Search(len(in.Parts), func(i int) bool { return in.Parts[i].end() > pc })
	if i == len(in.Parts) || pc < in.Parts[i].Start {
		return nil
	}
	in.last = &in.Parts[i]
	return in.last
}

// within reports whether an address is inside a function of known size, behind its start.
func (in *Input) within(pc uint64) bool {
	i, exact := slices.BinarySearchFunc(in.Functions, pc, func(f Function, pc uint64) int {
		switch {
		case f.Start < pc:
			return -1
		case f.Start > pc:
			return 1
		}
		return 0
	})
	return !exact && i > 0 && pc-in.Functions[i-1].Start < in.Functions[i-1].Size
}
