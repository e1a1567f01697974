package graph

// list is a list of 32-bit numbers that grows without being copied.
type list struct {
	parts [][]uint32
	n     int
}

const (
	partBits = 18 // of the number of a part's elements: 1 MiB
	partSize = 1 << partBits
)

func (l *list) add(v uint32) {
	if l.n&(partSize-1) == 0 {
		l.parts = append(l.parts, make([]uint32, 0, partSize))
	}
	last := &l.parts[len(l.parts)-1]
	*last = append(*last, v)
	l.n++
}

func (l *list) at(i uint32) uint32 { return l.parts[i>>partBits][i&(partSize-1)] }

// last returns the last number that was added since there were from of them.
func (l *list) last(from uint32) (v uint32, ok bool) {
	if uint64(l.n) <= uint64(from) {
		return 0, false
	}
	return l.at(uint32(l.n - 1)), true
}
