package trend

// thinned keeps values in their order. When there are so many as it may have, every second one is
// dropped, and from then on only every second new one is taken. The zero value is empty.
type thinned[T any] struct {
	kept []T
	// Of stride values one is kept. skipped counts those left out since the last.
	stride, skipped int
}

// add appends a value, of which fewer than most are kept.
func (t *thinned[T]) add(v T, most int) {
	if t.skipped++; t.skipped < t.stride && len(t.kept) > 0 {
		return
	}
	t.skipped = 0
	t.kept = append(t.kept, v)
	if len(t.kept) < most {
		return
	}
	for i := range most / 2 {
		t.kept[i] = t.kept[2*i]
	}
	t.kept = t.kept[:most/2]
	// The newest was dropped, so one value is left out already.
	t.stride = max(t.stride, 1)
	t.skipped = t.stride
	t.stride *= 2
}
