package report

import "testing"

func TestVerdict(t *testing.T) {
	bounds := Bounds{Value: 1 << 20, Low: 1 << 19, High: 1 << 21}
	for _, tc := range []struct {
		stack                 Stack
		words, brief, andRate string
	}{
		{Stack{Kind: Heap}, "", "", ""},
		{Stack{Kind: Heap, Class: ClassLeak, LeakBytesPerSecond: 1024}, "leaks", "leaks", "leaks 1.0 KiB/s"},
		{Stack{Kind: Mmap, Class: ClassPossible, LeakBytesPerSecond: 1024}, "may leak", "may leak", "may leak 1.0 KiB/s"},
		{Stack{Kind: Heap, Class: ClassFilled}, "does not grow", "no growth", "does not grow"},
		{Stack{Kind: Grown}, "growth", "growth", "growth"},
		{Stack{Kind: Grown, Class: ClassLeak, LeakBytesPerSecond: 1024}, "keeps growing", "keeps growing", "keeps growing 1.0 KiB/s"},
		{Stack{Kind: Grown, Class: ClassReserved}, "reserved, no own memory", "reserved", "reserved, no own memory"},
		{Stack{Kind: Heap, Estimate: &Estimate{Class: "undecided", LeakBytesPerSecond: bounds}}, "undecided", "undecided", "undecided"},
		{
			Stack{Kind: Heap, LeakBytesPerSecond: 2 << 20, Estimate: &Estimate{Class: "active leak", LeakBytesPerSecond: bounds}},
			"active leak", "active leak", "active leak ~2.0 MiB/s [1.0 - 4.0]",
		},
	} {
		s := &tc.stack
		if words, brief, andRate := s.Verdict(), s.BriefVerdict(), s.VerdictAndRate(); words != tc.words || brief != tc.brief || andRate != tc.andRate {
			t.Errorf("%q, %q, %q, want %q, %q, %q", words, brief, andRate, tc.words, tc.brief, tc.andRate)
		}
	}
}
