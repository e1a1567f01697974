package census

import "testing"

// Memory of another user of brk may have many headers that lead past the chunk that was found.
func TestFirstOfIsBounded(t *testing.T) {
	m := &fakeMemory{base: 1 << 30, data: make([]byte, 1<<20)}
	end := m.base + uint64(len(m.data))
	for at := m.base; at < end; at += 32 {
		m.put(at+8, 32|1)
	}
	w, p := fakeWalk(m, end-32)
	w.place = p
	found := end - 4096 + 16
	if got := w.firstOf(m.base, found); got != found || m.bytes > 2*mostFirst*windowBytes {
		t.Errorf("%#x, want %#x; %d bytes were read", got, found, m.bytes)
	}
}
