package graph

import "math/bits"

// frontier are nodes whose pointers are to be followed. Few are in a list, and of many blocks each
// has a bit, so that their number does not matter.
type frontier struct {
	list   []uint32
	many   []uint64
	blocks uint32 // the nodes from there on came late, and are in the list
	full   bool   // some are in many
}

// fewNodes is how many nodes are few.
const fewNodes = 1 << 16

func newFrontier(blocks int) *frontier { return &frontier{blocks: uint32(blocks)} }

func (f *frontier) empty() bool { return len(f.list) == 0 && !f.full }

func (f *frontier) add(node uint32) {
	if len(f.list) < fewNodes || node >= f.blocks {
		f.list = append(f.list, node)
		return
	}
	if f.many == nil {
		f.many = make([]uint64, f.blocks/64+1)
	}
	f.many[node/64] |= 1 << (node % 64)
	f.full = true
}

// drain takes all nodes out, until visit returns false. visit must not add any.
func (f *frontier) drain(visit func(node uint32) bool) {
	on := true
	for _, node := range f.list {
		if on = on && visit(node); !on {
			break
		}
	}
	f.list = f.list[:0]
	if !f.full {
		return
	}
	for i, word := range f.many {
		for ; word != 0 && on; word &= word - 1 {
			on = visit(uint32(64*i + bits.TrailingZeros64(word)))
		}
		f.many[i] = 0
	}
	f.full = false
}
