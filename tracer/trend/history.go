package trend

// MostMoments is how many values a History keeps.
const MostMoments = 600

// History keeps values in their order, for a picture. When it is full, every second one is dropped,
// and from then on only every second new one is taken. The zero History is empty.
type History[T any] struct {
	kept []T
	// Of stride values one is kept. skipped counts those left out since the last.
	stride, skipped int
	newest          T
}

// Add appends a value.
func (h *History[T]) Add(v T) {
	h.newest = v
	if h.stride == 0 {
		h.stride = 1
	}
	if h.skipped++; h.skipped < h.stride && len(h.kept) > 0 {
		return
	}
	h.skipped = 0
	h.kept = append(h.kept, v)
	if len(h.kept) < MostMoments {
		return
	}
	for i := range MostMoments / 2 {
		h.kept[i] = h.kept[2*i]
	}
	h.kept = h.kept[:MostMoments/2]
	// The newest was dropped, so one value is left out already.
	h.skipped = h.stride
	h.stride *= 2
}

// Values returns a copy of what is kept, and always the newest value.
func (h *History[T]) Values() []T {
	values := append([]T(nil), h.kept...)
	if h.skipped > 0 {
		values = append(values, h.newest)
	}
	return values
}
