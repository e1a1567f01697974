package faults

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/event"
)

func TestBook(t *testing.T) {
	b := New(0)
	b.Add(0x5123, 7, 1, pageSize, false)
	b.Add(0x6000, 8, 10, pageSize, false)
	b.Add(0x200000, 8, 2, 2<<20, false)
	b.Add(0x9000, 8, 3, pageSize, false)
	b.Add(0x6fff, 9, 20, pageSize, false) // the page again, which was given back
	b.Remove(0x8800, 0x9001)
	want := []Page{{0x5000, 7, 1, pageSize, false, false, false}, {0x6000, 9, 20, 20 * pageSize, false, false, false}, {0x200000, 8, 2, 4 << 20, false, false, false}}
	if diff := cmp.Diff(want, b.Pages()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if faults, samples := b.Seen(); faults != 36 || samples != 5 {
		t.Errorf("%d faults in %d samples", faults, samples)
	}
	b.Remove(0x5000, 1<<40)
	if got := b.Pages(); len(got) != 0 {
		t.Errorf("%d pages are left of what was unmapped", len(got))
	}
	b.Add(0x5123, 7, 1, pageSize, false)
	if b.Clear(); len(b.Pages()) != 0 {
		t.Error("pages are left of another address space")
	}
}

func TestBookMoves(t *testing.T) {
	b := New(0)
	for i := range uint64(4) {
		b.Add((10+i)*pageSize, event.StackID(i), 1, pageSize, false)
	}
	b.Add(22*pageSize, 9, 1, pageSize, false)
	b.Move(11*pageSize, 20*pageSize, 3*pageSize) // 22 is replaced
	b.Move(20*pageSize, 21*pageSize, 2*pageSize) // onto itself
	b.Move(10*pageSize, 10*pageSize, pageSize)
	want := []Page{{10 * pageSize, 0, 1, pageSize, false, false, false}, {21 * pageSize, 1, 1, pageSize, false, false, false}, {22 * pageSize, 2, 1, pageSize, false, false, false}}
	if diff := cmp.Diff(want, b.Pages()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A Book that was full many times over still tells the size and the shares.
func TestBookIsThinned(t *testing.T) {
	const limit, pages = 1000, 100_003
	b := New(limit)
	for i := range uint64(pages) {
		b.Add(1<<40+i*pageSize, event.StackID(i%4), 1, pageSize, false)
	}
	sum, of0 := 0.0, 0.0
	for _, p := range b.Pages() {
		sum += float64(p.Bytes) / pageSize
		if p.Stack == 0 {
			of0 += float64(p.Bytes) / pageSize
		}
	}
	if len(b.Pages()) > limit {
		t.Errorf("%d pages are held", len(b.Pages()))
	}
	if math.Abs(sum-pages) > 0.15*pages || math.Abs(of0-pages/4) > 0.2*pages/4 {
		t.Errorf("%.0f pages, %.0f of one stack, want %d and %d or so", sum, of0, pages, pages/4)
	}
}
