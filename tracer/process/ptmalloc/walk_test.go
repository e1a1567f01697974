package ptmalloc

import (
	"encoding/binary"
	"testing"
)

// fakeMemory is one range of memory. It counts how much is asked of it.
type fakeMemory struct {
	base  uint64
	data  []byte
	spans int
	// absent: there is no page where there is no data.
	absent bool
}

func (m *fakeMemory) Read(spans []span) {
	for i := range spans {
		s := &spans[i]
		m.spans++
		off := s.Addr - m.base
		s.OK = s.Addr >= m.base && off <= uint64(len(m.data)) && uint64(len(s.Buf)) <= uint64(len(m.data))-off
		if s.Absent = m.absent && !s.OK; s.OK {
			copy(s.Buf, m.data[off:])
		}
	}
}

func (m *fakeMemory) put(addr, value uint64) {
	binary.LittleEndian.PutUint64(m.data[addr-m.base:], value)
}

// fakeHeap returns a heap with a main arena at base and a thread's arena after it, both with
// empty bins.
func fakeHeap(arena arenaLayout) (*Heap, *fakeMemory, [2]uint64) {
	const base, mainArena, heap = 0x10000, 0x400, 0x2000
	m := &fakeMemory{base: base, data: make([]byte, 0x8000)}
	h := &Heap{
		Layout: &Layout{
			Version: Version{2, 36}, MainArena: mainArena,
			params: paramsLayouts[3].paramsLayout, arena: arena, fast: manglingShift,
		},
		bias: base, mem: m,
		alive: func() error { return nil },
	}
	addrs := [2]uint64{base + mainArena, base + heap + 48}
	m.put(base+heap, addrs[1]) // ar_ptr
	for i, addr := range addrs {
		for bin := 1; bin < binCount; bin++ {
			head := binHead(addr, &arena, bin)
			m.put(head+chunkFd, head)
			m.put(head+chunkBk, head)
		}
		m.put(addr+arena.top, base+0x6000)
		m.put(addr+arena.next, addrs[1-i])
		m.put(addr+arena.systemMem(), 0x21000)
	}
	m.put(base+0x6008, 0x1001)
	return h, m, addrs
}

// link puts chunks of a size into a bin.
func link(m *fakeMemory, head, size uint64, chunks ...uint64) {
	prev := head
	for _, c := range chunks {
		m.put(c+chunkSize, size|1)
		m.put(c+chunkFd, prev)
		m.put(prev+chunkBk, c)
		prev = c
	}
	m.put(prev+chunkBk, head)
	m.put(head+chunkFd, prev)
}

func TestWalk(t *testing.T) {
	for _, layout := range arenaLayouts[1:] {
		h, m, addrs := fakeHeap(layout)
		link(m, binHead(addrs[0], &layout, 1), 0x90, 0x15000, 0x15100, 0x15200)
		link(m, binHead(addrs[1], &layout, 127), 0x400, 0x15400)
		got, err := h.Arenas(Limits{})
		system, free, complete := got.Total()
		if err != nil || len(got.Arenas) != 2 || system != 0x42000 || free != 0x2000+3*0x90+0x400 || !complete {
			t.Errorf("%+v: %+v, %v", layout, got, err)
		}
	}
}

func TestWalkEnds(t *testing.T) {
	layout := arenaLayouts[2]
	for name, break_ := range map[string]func(h *Heap, m *fakeMemory, arenas [2]uint64, bin uint64){
		"a cycle": func(_ *Heap, m *fakeMemory, _ [2]uint64, _ uint64) { m.put(0x15200+chunkBk, 0x15000) },
		"to itself": func(_ *Heap, m *fakeMemory, _ [2]uint64, _ uint64) {
			m.put(0x15200+chunkBk, 0x15200)
			m.put(0x15200+chunkFd, 0x15200)
		},
		"outside":           func(_ *Heap, m *fakeMemory, _ [2]uint64, _ uint64) { m.put(0x15200+chunkBk, 1<<63) },
		"at the end":        func(_ *Heap, m *fakeMemory, _ [2]uint64, _ uint64) { m.put(0x15200+chunkBk, ^uint64(15)) },
		"misaligned":        func(_ *Heap, m *fakeMemory, _ [2]uint64, _ uint64) { m.put(0x15200+chunkBk, 0x15008) },
		"a size of 0":       func(_ *Heap, m *fakeMemory, _ [2]uint64, _ uint64) { m.put(0x15100+chunkSize, 0) },
		"a size too large":  func(_ *Heap, m *fakeMemory, _ [2]uint64, _ uint64) { m.put(0x15100+chunkSize, ^uint64(15)|1) },
		"top":               func(_ *Heap, m *fakeMemory, a [2]uint64, _ uint64) { m.put(a[0]+layout.top, 0xdead0) },
		"top's size":        func(_ *Heap, m *fakeMemory, _ [2]uint64, _ uint64) { m.put(0x16008, 1<<40|1) },
		"ring to nowhere":   func(_ *Heap, m *fakeMemory, a [2]uint64, _ uint64) { m.put(a[1]+layout.next, 0) },
		"ring outside":      func(_ *Heap, m *fakeMemory, a [2]uint64, _ uint64) { m.put(a[1]+layout.next, 0x7f0000000030) },
		"ring to itself":    func(_ *Heap, m *fakeMemory, a [2]uint64, _ uint64) { m.put(a[1]+layout.next, a[1]) },
		"no heap":           func(_ *Heap, m *fakeMemory, a [2]uint64, _ uint64) { m.put(a[1]-48, 0) },
		"no bins":           func(_ *Heap, m *fakeMemory, a [2]uint64, _ uint64) { m.put(a[1]+layout.bins, 0) },
		"fastbin to itself": func(_ *Heap, m *fakeMemory, a [2]uint64, _ uint64) { fast(m, a[0], 0x15400, 0x20, 0x15400) },
		"fastbin's size":    func(_ *Heap, m *fakeMemory, a [2]uint64, _ uint64) { fast(m, a[0], 0x15400, 0x30, 0) },
		"unknown mangling": func(h *Heap, m *fakeMemory, a [2]uint64, _ uint64) {
			h.Layout.fast = manglingUnknown
			fast(m, a[0], 0x15400, 0x20, 0)
		},
	} {
		h, m, arenas := fakeHeap(layout)
		bin := binHead(arenas[0], &layout, 1)
		link(m, bin, 0x90, 0x15000, 0x15100, 0x15200)
		break_(h, m, arenas, bin)
		m.spans = 0
		got, err := h.Arenas(Limits{})
		if _, _, complete := got.Total(); err != nil || complete || len(got.Arenas) == 0 {
			t.Errorf("%s: %v, %+v, want partial figures", name, err, got)
		}
		if m.spans > 0x21000/minChunk+10 {
			t.Errorf("%s: %d reads", name, m.spans)
		}
	}
}

// fast makes a chunk the first of the smallest fastbin, with a mangled link.
func fast(m *fakeMemory, arena, chunk, size, next uint64) {
	m.put(arena+arenaLayouts[2].fast, chunk)
	m.put(chunk+chunkSize, size|1)
	m.put(chunk+chunkFd, (chunk+chunkFd)>>12^next)
}

// FuzzArenas walks arbitrary memory.
func FuzzArenas(f *testing.F) {
	for i, layout := range arenaLayouts {
		_, m, arenas := fakeHeap(layout)
		link(m, binHead(arenas[0], &layout, 1), 0x90, 0x15000, 0x15100, 0x15200)
		if layout.fast != 0 {
			m.put(arenas[0]+layout.fast, 0x15400)
			m.put(0x15400+chunkSize, 0x21)
		}
		f.Add(byte(i), m.data)
	}
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		layout := arenaLayouts[int(which)%len(arenaLayouts)]
		h, m, _ := fakeHeap(layout)
		m.data = data
		h.Layout.fast = mangling(which / 4 % 3)
		limits := Limits{Arenas: 5, FreeChunks: 1000}
		got, err := h.Arenas(limits)
		if err != nil {
			return
		}
		var chunks uint64
		for i, a := range got.Arenas {
			if a.Main != (i == 0) || a.Bins.Bytes > a.SystemBytes || a.Fast.Bytes > a.SystemBytes || a.TopBytes > a.SystemBytes {
				t.Errorf("%+v", a)
			}
			chunks += a.Bins.Chunks + a.Fast.Chunks
		}
		if len(got.Arenas) > limits.Arenas || chunks > uint64(limits.FreeChunks) || m.spans > 1000+5*200 {
			t.Errorf("%d arenas, %d chunks, %d reads", len(got.Arenas), chunks, m.spans)
		}
	})
}

// FuzzParams decodes arbitrary parameters and environments.
func FuzzParams(f *testing.F) {
	f.Add(byte(3), make([]byte, 144), []byte("A=b\x00MALLOC_TOP_PAD_=0\x00GLIBC_TUNABLES=glibc.malloc.mmap_max=0:x\x00=\x00"))
	f.Fuzz(func(t *testing.T, which byte, data, environ []byte) {
		h := &Heap{Layout: &Layout{params: paramsLayouts[int(which)%len(paramsLayouts)].paramsLayout}}
		h.mem, h.alive = &fakeMemory{data: data}, func() error { return nil }
		p, err := h.Params()
		if err != nil {
			return
		}
		if by := frozenIn(&p, environ); len(by) == 0 {
			t.Error("frozen by nothing")
		}
	})
}
