package census

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"memtrace/tracer/process/procmem"
)

// fakeMemory is one range of memory, which may change from one reading to the next.
type fakeMemory struct {
	base uint64
	data []byte
	// absent and swapped are pages, by number.
	absent, swapped map[uint64]bool
	change          func(*fakeMemory)
	bytes           uint64
}

func (m *fakeMemory) ReadPages(addr uint64, buf []byte, states []procmem.State) {
	if m.change != nil {
		m.change(m)
	}
	for i := range states {
		page := buf[uint64(i)*pageSize:][:pageSize]
		clear(page)
		off := addr + uint64(i)*pageSize - m.base
		n := off / pageSize
		states[i] = procmem.Resident
		switch {
		case off >= uint64(len(m.data)) || m.absent[n]:
			states[i] = procmem.Absent
		case m.swapped[n]:
			states[i] = procmem.Swapped
		}
		if states[i] == procmem.Resident {
			m.bytes += pageSize
			copy(page, m.data[off:])
		}
	}
}

func (m *fakeMemory) NextThere(addr, end uint64) uint64 {
	for ; addr < end && addr-m.base < uint64(len(m.data)); addr = addr&^(pageSize-1) + pageSize {
		if n := (addr - m.base) / pageSize; !m.absent[n] || m.swapped[n] {
			return addr
		}
	}
	return end
}

func (m *fakeMemory) put(addr, word uint64) {
	binary.LittleEndian.PutUint64(m.data[addr-m.base:], word)
}

const fakeBase = 0x5555_0000_0000

// fakeHeap is a heap of random chunks that ends with a top. It returns the blocks in use.
func fakeHeap(rng *rand.Rand, pages uint64) (m *fakeMemory, blocks []Block, top uint64) {
	m = &fakeMemory{base: fakeBase, data: make([]byte, pages*pageSize), absent: map[uint64]bool{}, swapped: map[uint64]bool{}}
	at, end := uint64(fakeBase), fakeBase+(pages-1)*pageSize
	inUse := uint64(1)
	for {
		size := 32 + 16*rng.Uint64N(20)
		if rng.IntN(500) == 0 {
			size = 32 + 16*rng.Uint64N(20000)
		}
		if at+size > end {
			break
		}
		m.put(at+8, size|inUse)
		if inUse = rng.Uint64N(4); inUse > 0 {
			inUse = 1
			blocks = append(blocks, Block{at + 16, size - 8})
			for k := range (size - 16) / 8 {
				m.put(at+16+8*k, rng.Uint64()>>rng.IntN(64))
			}
		} else {
			m.put(at+size, size)
		}
		at += size
	}
	if inUse == 0 { // a free chunk before the top would be part of it
		m.put(at+8, 32)
		blocks = append(blocks, Block{at + 16, 24})
		at += 32
	}
	m.put(at+8, end+pageSize-at|1)
	return m, blocks, at
}

// fakeWalk returns a walk over such a heap, whose arena's top is in the last 16 bytes.
func fakeWalk(m *fakeMemory, top uint64) (*walk, place) {
	topAt := m.base + uint64(len(m.data)) - 16
	m.put(topAt, top)
	w := &walk{
		win: newWindow(m, windowBytes), far: newWindow(m, pageSize),
		caches: unmarked(), most: 1 << 20,
	}
	w.left = 4*uint64(len(m.data)) + 1<<20
	w.waited = mostWaiting // no sleeping
	return w, place{Range: Range{m.base, top}, limit: userSpace, main: true, topAt: topAt}
}

func TestWalk(t *testing.T) {
	for seed := range uint64(50) {
		m, want, top := fakeHeap(rand.New(rand.NewPCG(seed, 3)), 400)
		w, p := fakeWalk(m, top)
		end := w.run(p)
		c := Census{Blocks: w.out.finish()}
		if text := differences(all(&c), want); text != "" || end != top || w.resyncs != 0 {
			t.Errorf("seed %d: ends at %#x, want %#x, %d resyncs: %s", seed, end, top, w.resyncs, text)
		}
	}
}

// TestWalkHeals damages a header for as long as it takes to read it once, twice, and for good.
func TestWalkHeals(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 4))
		m, want, top := fakeHeap(rng, 400)
		victim := want[rng.IntN(len(want)-20)]
		header := binary.LittleEndian.Uint64(m.data[victim.Addr-8-m.base:])
		reads, forGood := 0, seed%2 == 0
		m.change = func(m *fakeMemory) {
			if reads++; reads == 2 {
				m.put(victim.Addr-8, rng.Uint64()&^15)
			} else if reads == 40 && !forGood {
				m.put(victim.Addr-8, header)
			}
		}
		w, p := fakeWalk(m, top)
		w.run(p)
		found := w.out.finish()
		missing := 0
		for _, b := range want {
			if i := found.Find(b.Addr); b != victim && (i < 0 || found.At(i) != b) {
				missing++
			}
		}
		// The one before it may be lost with it, because it is not known whether it is in use.
		if missing > 1 || found.Len() > len(want)+2 {
			t.Errorf("seed %d: %d of %d blocks are missing, %d found: %+v", seed, missing, len(want), found.Len(), w.skipped.list)
		}
		if forGood && len(w.skipped.list) == 0 {
			t.Errorf("seed %d: nothing was skipped", seed)
		}
	}
}

// TestWalkLeavesSwappedPages has pages that are swapped out.
func TestWalkLeavesSwappedPages(t *testing.T) {
	m, want, top := fakeHeap(rand.New(rand.NewPCG(2, 5)), 400)
	inside := 0
	for _, b := range want {
		if page := (b.Addr - m.base) / pageSize; page >= 100 && page < 110 {
			m.swapped[page] = true
			inside++
		}
	}
	w, p := fakeWalk(m, top)
	w.run(p)
	got := w.out.finish()
	for _, b := range want {
		page := (b.Addr - m.base) / pageSize
		if i := got.Find(b.Addr); (page < 90 || page > 120) && (i < 0 || got.At(i) != b) {
			t.Fatalf("%#x is missing", b)
		}
	}
	if inside < 50 {
		t.Fatalf("%d blocks in these pages", inside)
	}
	if list := w.skipped.list; len(list) != 1 || list[0].Why != swappedOut || list[0].Start > m.base+100*pageSize || list[0].End < m.base+110*pageSize {
		t.Errorf("skipped %#x", list)
	}
}

// FuzzWalk walks over arbitrary memory, which changes meanwhile, and looks for mapped blocks in it.
func FuzzWalk(f *testing.F) {
	for seed := range uint64(4) {
		m, _, _ := fakeHeap(rand.New(rand.NewPCG(seed, 6)), 8)
		f.Add(m.data, seed, true)
	}
	f.Fuzz(walksOver)
}

func walksOver(t *testing.T, data []byte, seed uint64, main bool) {
	if len(data) < 64 {
		return
	}
	rng := rand.New(rand.NewPCG(seed, 7))
	pages := seed%64 + 1
	m := &fakeMemory{base: fakeBase, data: make([]byte, pages*pageSize), absent: map[uint64]bool{seed >> 8 % 70: true}, swapped: map[uint64]bool{seed >> 16 % 70: true}}
	for at := 0; at < len(m.data); at += len(data) &^ 15 {
		copy(m.data[at:], data)
	}
	m.change = func(m *fakeMemory) {
		if seed%3 == 0 {
			m.put(m.base+rng.Uint64N(uint64(len(m.data))/8)*8, rng.Uint64()>>rng.IntN(64))
		}
	}
	end := m.base + uint64(len(m.data))
	w, p := fakeWalk(m, end-32)
	p.main, p.End = main, end
	if p.limit = end; seed%5 == 0 {
		p.topAt = 0
	}
	budget := w.left
	w.run(p)
	maps := mappings{
		win: newWindow(m, pageSize), wide: newWindow(m, wideBytes), tail: seed % 2 * 16,
		areas: []Range{{m.base, m.base + pageSize}, {m.base + pageSize, end}}, pieces: main,
		w: walkOf(m, p.topAt), left: 1 << 20,
	}
	maps.find(Sum{Chunks: 1 << 20}, 1<<30)
	if most := 16*budget + 64<<20; m.bytes > most {
		t.Errorf("%d bytes were read of %d, want at most %d", m.bytes, len(m.data), most)
	}
	b := w.out.finish()
	for i := range b.Len() {
		if x := b.At(i); x.Addr < p.Start || x.Addr+x.Size > end+8 || b.Find(x.Addr) != i {
			t.Errorf("%#x", x)
		}
	}
	k := walk{win: newWindow(m, nowBytes), far: newWindow(m, pageSize), caches: w.caches, place: p, trail: &trail{}}
	k.to(p.Start, p.Start+seed%(pages*pageSize), p.Start)
}
