package report

import (
	"strings"
	"testing"
)

// What grows in the heap leaves room for the answer on a terminal, however many groups there are.
func TestHeapBesideFits(t *testing.T) {
	r := beside()
	for len(r.Heap.Growing) < 9 {
		r.Heap.Growing = append(r.Heap.Growing, r.Heap.Growing...)
	}
	for _, height := range []int{32, 45} {
		text := string(render(t, asText(TextOptions{Width: 80, Height: height}), r))
		if lines := strings.Count(text, "\n"); lines > height || !strings.Contains(text, "\nHeap: ") || !strings.Contains(text, " more (-T 0 lists all that are known)") {
			t.Errorf("%d lines of %d:\n%s", lines, height, text)
		}
	}
}
