package region

import "testing"

// The answer is about resident memory, also where it only became larger or smaller, and where the
// process has ended.
func TestAnswer(t *testing.T) {
	resident := func(bytes func(i int) uint64) func(f *fake, i int) {
		return func(f *fake, i int) { f.maps, f.rss = brkMaps(4*mib), bytes(i) }
	}
	for name, tc := range map[string]struct {
		change func(f *fake, i int)
		gone   bool
		want   string
	}{
		"a step":       {resident(func(i int) uint64 { return uint64(i / 10 * 12 * kib) }), false, "does not grow: resident memory is 12.0 KiB larger than at the start"},
		"a great step": {resident(func(i int) uint64 { return uint64(i / 10 * 2 * mib) }), false, "does not grow steadily: resident memory is 2.0 MiB larger than at the start"},
		"smaller":      {resident(func(i int) uint64 { return uint64(2*mib - i/10*12*kib) }), false, "does not grow: resident memory is 12.0 KiB smaller than at the start"},
		"ended":        {resident(func(int) uint64 { return mib }), true, "did not grow before it ended: resident memory was as large as at the start"},
		"grew":         {func(f *fake, i int) { f.maps, f.rss = brkMaps(mib*(1+i)), uint64(mib*i) }, true, "grew 1.0 MiB/s before it ended, most in the brk heap"},
	} {
		f := new(fake)
		s := NewSampler(f, Config{})
		for i := range 20 {
			tc.change(f, i)
			poll(t, s, float64(i))
		}
		if tc.gone {
			f.err = ErrGone
		}
		if got := snapshot(t, s, 20).Answer(); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// The class that gained most memory is named, as most only where it is.
func TestMost(t *testing.T) {
	for _, tc := range []struct {
		brk, mmap, file int64
		want            string
	}{
		{5, 4, 0, ", most in the brk heap"},
		{1, 4, 3, ", most in anonymous mmaps"},
		{3, 4, 3, ", the largest part in anonymous mmaps"},
		{3, -9, 0, ", most in the brk heap"},
		{-3, 0, 0, ""},
	} {
		s := &Snapshot{Start: at(0), End: at(9), ResidentAt: at(9)}
		s.Classes[Brk].ResidentGrowth, s.Classes[Mmap].ResidentGrowth, s.Classes[File].ResidentGrowth = tc.brk, tc.mmap, tc.file
		if got := s.most(); got != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}
