package live

import (
	"cmp"
	"slices"
)

// largest collects the largest blocks.
type largest struct {
	list []Block
	// full says that the list was cut: blocks that come after least are not among the largest.
	full  bool
	least Block
}

// order is that of Stack.BlockList.
func order(a, b Block) int {
	return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Address, b.Address))
}

// add takes in b. If limit is not 0, the list is cut to it whenever it has become twice as
// long.
func (l *largest) add(b Block, limit int) {
	if l.full && order(b, l.least) > 0 {
		return
	}
	l.list = append(l.list, b)
	if limit > 0 && len(l.list) >= 2*limit {
		l.cut(limit)
	}
}

// cut sorts the list, drops what exceeds limit, unless that is 0, and returns the rest.
func (l *largest) cut(limit int) []Block {
	if l == nil {
		return nil
	}
	slices.SortFunc(l.list, order)
	if limit > 0 && len(l.list) > limit {
		l.list = l.list[:limit]
		l.full, l.least = true, l.list[limit-1]
	}
	return l.list
}
