package census

// Hashes are hashes of the contents of blocks, by block.
type Hashes struct{ pages [][]uint32 }

// HashPage is how many hashes a page has.
const HashPage = 1 << 14

// NewHashes makes n hashes by a function, none if that is nil.
func NewHashes(n int, of func(i int) uint32) *Hashes {
	h := &Hashes{}
	for i := 0; of != nil && i < n; i++ {
		h.Add(of(i))
	}
	return h
}

// Add adds the hash of the next block. It returns the page that this made complete, nil if there is
// none.
func (h *Hashes) Add(hash uint32) (page []uint32) {
	n := len(h.pages)
	if n == 0 || len(h.pages[n-1]) == HashPage {
		h.pages = append(h.pages, make([]uint32, 0, HashPage))
		n++
	}
	last := append(h.pages[n-1], hash)
	if h.pages[n-1] = last; len(last) < HashPage {
		return nil
	}
	return last
}

// Pages is how many pages there are.
func (h *Hashes) Pages() int { return len(h.pages) }

// Page returns a page, which may be the last and not complete, or nil if it was dropped.
func (h *Hashes) Page(i int) []uint32 { return h.pages[i] }

// Drop forgets a page.
func (h *Hashes) Drop(i int) { h.pages[i] = nil }

// At returns the hash of a block. ok is false if it was dropped.
func (h *Hashes) At(i int) (hash uint32, ok bool) {
	if i/HashPage >= len(h.pages) || i%HashPage >= len(h.pages[i/HashPage]) {
		return 0, false
	}
	return h.pages[i/HashPage][i%HashPage], true
}
