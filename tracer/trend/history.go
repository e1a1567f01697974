package trend

import "slices"

// MostMoments is how many values a History keeps.
const MostMoments = 600

// History keeps values in their order, for a picture. Old and new ones are thinned alike when there
// are too many. The zero History is empty.
type History[T any] struct {
	values thinned[T]
	newest T
}

// Add appends a value.
func (h *History[T]) Add(v T) {
	h.newest = v
	h.values.add(v, MostMoments)
}

// Values returns a copy of what is kept, and always the newest value.
func (h *History[T]) Values() []T {
	values := slices.Clone(h.values.kept)
	if h.values.skipped > 0 {
		values = append(values, h.newest)
	}
	return values
}
