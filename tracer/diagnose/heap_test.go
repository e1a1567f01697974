package diagnose

import (
	"testing"

	"memtrace/tracer/report"
)

// A stack has the place of the first one that is it, or is a sum with it. Of sums of very many not all
// parts are known: there functions and lines tell.
func TestPlaces(t *testing.T) {
	frames := func(line int) []report.Frame { return []report.Frame{{Function: "f", File: "f.c", Line: line}} }
	at := placesOf([]report.Stack{
		{ID: "1", Frames: frames(1)},
		{ID: "2", Like: []report.Like{{ID: "3"}, {ID: "4"}}, MergedStacks: 3, Frames: frames(2)},
		{ID: "5", Like: []report.Like{{ID: "6"}}, MergedStacks: report.MostLike + 1, Frames: frames(3)},
		{ID: "7", Frames: frames(3)},
		{ID: "8", MergedStacks: report.MostLike + 1},
	})
	for _, tc := range []struct {
		id   string
		line int
		want int // -1: none
	}{
		{"1", 1, 0}, {"2", 2, 1}, {"4", 9, 1}, {"9", 2, -1}, {"9", 3, 2}, {"6", 3, 2}, {"7", 3, 2}, {"7", 9, 3}, {"9", 0, -1},
	} {
		s := report.HeapSource{ID: tc.id}
		if tc.line > 0 {
			s.Frames = frames(tc.line)
		}
		if got, ok := at.of(&s); ok != (tc.want >= 0) || ok && got != tc.want {
			t.Errorf("%s, line %d: %d, %v; want %d", tc.id, tc.line, got, ok, tc.want)
		}
	}
}
