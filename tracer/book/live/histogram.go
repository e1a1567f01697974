package live

import "math"

// Histograms count blocks by their size or by how long they lived. A class reaches up to four
// times as far as the one before, the last one to the end.
const (
	// Classes is how many there are.
	Classes = 16
	// FirstSize and FirstLifetime say how far the first class reaches: to 4^FirstSize bytes, or
	// 4^FirstLifetime ns.
	FirstSize, FirstLifetime = 2, 7
)

// Histogram is how many blocks there are in each class.
type Histogram [Classes]uint64

// Merge adds another one.
func (h *Histogram) Merge(o Histogram) {
	for i := range h {
		h[i] += o[i]
	}
}

// Bound returns how far a class reaches, of a histogram whose first one reaches to 4^first.
func Bound(class, first int) uint64 {
	if class >= Classes-1 {
		return math.MaxUint64
	}
	return 1 << (2 * (first + class))
}
