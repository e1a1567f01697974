package ptmalloc

import (
	"math"
	"testing"
)

const defaultThreshold = 131072

func TestChunkSize(t *testing.T) {
	for _, tc := range []struct {
		request, size uint64
		over          bool // the default threshold
	}{
		{0, 32, false},
		{1, 32, false},
		{24, 32, false},
		{25, 48, false},
		{40, 48, false},
		{131032, 131040, false},
		{131048, 131056, false},
		{131049, 131072, true},
		{131064, 131072, true},
		{math.MaxInt64, 1<<63 + 16, true},
	} {
		size, ok := ChunkSize(tc.request)
		if size != tc.size || !ok {
			t.Errorf("%d bytes: chunk of %d, %v, want %d", tc.request, size, ok, tc.size)
		}
		if got := OverThreshold(tc.request, defaultThreshold); got != tc.over {
			t.Errorf("%d bytes: over the threshold %v, want %v", tc.request, got, tc.over)
		}
	}
	if size, ok := ChunkSize(math.MaxInt64 + 1); ok || OverThreshold(math.MaxUint64, 0) {
		t.Errorf("more than PTRDIFF_MAX bytes: chunk of %d", size)
	}
}

func TestServeByHeader(t *testing.T) {
	brk := BrkRange{0x555555559000, 0x55555557a000}
	for _, tc := range []struct {
		addr   uint64
		header Header
		want   Served
		size   uint64
	}{
		{0x5555555592a0, 0x21, ServedBrk, 0x20},
		{0x555555559000, 0x30, ServedBrk, 0x30},
		{0x55555557a000, 0x31, ServedArena, 0x30},
		{0x7ffff0000b70, 0x95, ServedArena, 0x90},
		{0x5555555592a0, 0x25, ServedArena, 0x20},
		{0x7ffff7d80010, 0x21002, ServedMmap, 0x21000},
		{0x7ffff7d80010, 0x31, ServedArena, 0x30},
	} {
		if got := Serve(tc.addr, tc.header, brk); got != tc.want || tc.header.Size() != tc.size || !tc.header.Plausible() {
			t.Errorf("%#x, header %#x: %v, size %#x", tc.addr, tc.header, got, tc.header.Size())
		}
	}
	for _, h := range []Header{0, 1, 0x11, 0x29, 0x27} {
		if h.Plausible() {
			t.Errorf("header %#x is plausible", h)
		}
	}
}
