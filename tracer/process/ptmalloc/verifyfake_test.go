package ptmalloc

import "testing"

// These are addresses in the memory of fakeRange: the main arena, that of a thread, and the
// second heap of the latter.
const (
	fakeMain   = 0x10400
	fakeArena  = 0x12030
	fakeSecond = 0x14000
)

// fakeRange returns a checker whose main arena, or a thread's second heap, has
// chunks from first to end.
func fakeRange(thread bool) (c *Checker, m *fakeMemory, first, end uint64, flags Header) {
	c, m = fakeChecker(Version{2, 36}, 1)
	c.between = func() bool { return true }
	params, l := &c.h.Layout.params, &c.h.Layout.arena
	if thread {
		m.put(0x10000+params.mmaps-12, 0x800) // mp_.hp_pagesize: heaps have 0x2000
		m.put(fakeArena+l.top, 0x15f00)
		m.put(fakeSecond+heapArena, fakeArena)
		m.put(fakeSecond+heapBytes, 0x2000)
		return c, m, fakeSecond + 48, 0x15f00, NonMainArena | PrevInUse
	}
	m.put(fakeMain+l.systemMem()+8, 0x21000)
	m.put(0x10000+params.sbrkBase, fakeChunks-8) // to be aligned
	return c, m, fakeChunks, 0x16000, PrevInUse
}

// fakeRanges are ranges of four chunks with the block within the second one, and what happens
// to them.
var fakeRanges = map[string]struct {
	thread bool
	change func(c *Checker, m *fakeMemory, second uint64)
	want   Verdict
}{
	"inside":           {false, nil, foundInside},
	"inside, a thread": {true, nil, foundInside},
	"end of an old heap": {true, func(c *Checker, m *fakeMemory, _ uint64) {
		m.put(fakeArena+c.h.Layout.arena.top, fakeMain)
		m.put(fakeSecond+heapBytes, 0x1f20)
		m.put(0x15f00+chunkSize, fencepost)
		m.put(0x15f10+chunkSize, 1)
	}, foundInside},
	"no end of a heap": {true, func(c *Checker, m *fakeMemory, _ uint64) {
		m.put(fakeArena+c.h.Layout.arena.top, fakeMain)
		m.put(fakeSecond+heapBytes, 0x1f20)
		m.put(0x15f00+chunkSize, fencepost)
		m.put(0x15f10+chunkSize, 0x31)
	}, stillInUse},
	"other arena":    {true, func(_ *Checker, m *fakeMemory, _ uint64) { m.put(fakeSecond+heapArena, fakeArena+16) }, stillInUse},
	"heap too large": {true, func(_ *Checker, m *fakeMemory, _ uint64) { m.put(fakeSecond+heapBytes, 1<<40) }, stillInUse},
	"own chunk": {false, func(_ *Checker, m *fakeMemory, second uint64) {
		m.put(second+chunkSize, 0x101)
		m.put(second+0x100+chunkSize, 0x101)
	}, stillInUse},
	"size of zero":           {false, func(_ *Checker, m *fakeMemory, second uint64) { m.put(second+0x200+chunkSize, 1) }, stillInUse},
	"unaligned":              {false, func(_ *Checker, m *fakeMemory, second uint64) { m.put(second+0x200+chunkSize, 0x39) }, stillInUse},
	"mapped":                 {false, func(_ *Checker, m *fakeMemory, second uint64) { m.put(second+0x200+chunkSize, 0x43) }, stillInUse},
	"beyond the top":         {false, func(_ *Checker, m *fakeMemory, second uint64) { m.put(second+0x200+chunkSize, 0x10001) }, stillInUse},
	"beyond all memory":      {false, func(_ *Checker, m *fakeMemory, second uint64) { m.put(second+0x200+chunkSize, ^uint64(14)) }, stillInUse},
	"of a thread":            {false, func(_ *Checker, m *fakeMemory, second uint64) { m.put(second+0x200+chunkSize, 0x45) }, stillInUse},
	"past the top":           {false, func(_ *Checker, m *fakeMemory, second uint64) { m.put(fakeMain+96, second+0x230) }, stillInUse},
	"another size before":    {false, func(_ *Checker, m *fakeMemory, second uint64) { m.put(second+0x200+chunkSize, 0x40) }, stillInUse},
	"mutex held":             {false, func(_ *Checker, m *fakeMemory, _ uint64) { m.put(fakeMain, 1) }, stillInUse},
	"stopped":                {false, func(c *Checker, _ *fakeMemory, _ uint64) { c.between = func() bool { return false } }, stillInUse},
	"split between":          {false, splitBetween, stillInUse},
	"in another one later":   {false, growBetween, stillInUse},
	"page that is not there": {false, func(c *Checker, m *fakeMemory, _ uint64) { c.walk.mem = holes{m, 0x13000} }, stillInUse},
	"page without a chunk":   {false, func(c *Checker, m *fakeMemory, _ uint64) { c.walk.mem = holes{m, 0x15000} }, foundInside},
}

var foundInside, stillInUse = Verdict{Free, Inside}, Verdict{InUse, None}

func TestVerifyFake(t *testing.T) {
	for name, tc := range fakeRanges {
		c, m, first, end, flags := fakeRange(tc.thread)
		second := first + 0x40
		m.chunk(first, 0x40, flags)
		m.chunk(second, 0x200, flags)
		b := m.chunk(second+0x100, 0x50, flags)
		m.chunk(second+0x150, 0x50, flags)
		m.chunk(second+0x200, 0x40, flags)
		m.chunk(second+0x240, end-second-0x240, flags)
		if tc.change != nil {
			tc.change(c, m, second)
		}
		blocks := []Block{b, {first + chunkHeader, Header(0x40) | flags}}
		v := []Verdict{stillInUse, stillInUse}
		if err := c.Verify(blocks, v); err != nil {
			t.Fatal(name, err)
		}
		if v[0] != tc.want || v[1] != stillInUse {
			t.Errorf("%s: %v, want %v; %+v", name, v, tc.want, c.Walks())
		}
	}
}

// splitBetween makes the block a chunk before the second walk.
func splitBetween(c *Checker, m *fakeMemory, second uint64) {
	c.between = func() bool {
		m.put(second+chunkSize, 0x101)
		m.put(second+0x100+chunkSize, 0x101)
		return true
	}
}

// growBetween makes the previous chunk take in the one around the block.
func growBetween(c *Checker, m *fakeMemory, second uint64) {
	c.between = func() bool {
		m.put(second-0x40+chunkSize, 0x241)
		return true
	}
}

// holes is memory that lacks one page.
type holes struct {
	*fakeMemory
	page uint64
}

func (m holes) Read(spans []span) {
	m.fakeMemory.Read(spans)
	for i := range spans {
		if s := &spans[i]; s.Addr/pageSize == m.page/pageSize {
			s.OK, s.Absent = false, true
		}
	}
}

// TestVerifyDerailed leads the walk astray: the chunk whose size it reads grows before it
// reads on.
func TestVerifyDerailed(t *testing.T) {
	c, m, first, end, flags := fakeRange(false)
	m.chunk(first, 0x40, flags)
	m.chunk(first+0x40, 0x200, flags) // stale: the chunk before goes as far as the block
	b := m.chunk(first+0x140, end-first-0x140, flags)
	m.chunk(first+0x240, end-first-0x240, flags) // the block's contents
	c.rd.mem = growing{m, first}
	v := []Verdict{{InUse, None}}
	if err := c.Verify([]Block{b}, v); err != nil || v[0].State != InUse {
		t.Errorf("%v, %v", v, err)
	}
	if got := c.Walks(); got.Complete == 0 || got.Unconfirmed == 0 {
		t.Errorf("%+v", got)
	}
}

// growing is memory where a chunk has grown for everyone who reads again.
type growing struct {
	*fakeMemory
	chunk uint64
}

func (m growing) Read(spans []span) {
	m.fakeMemory.Read(spans)
	for i := range spans {
		if s := &spans[i]; s.Addr == m.chunk+chunkSize {
			s.Buf[0], s.Buf[1] = 0x41, 0x01
		}
	}
}

// FuzzVerify walks over arbitrary memory and must come to an end.
func FuzzVerify(f *testing.F) {
	_, m, first, end, flags := fakeRange(false)
	m.chunk(first, end-first, flags)
	f.Add(false, m.data)
	_, m, first, end, flags = fakeRange(true)
	m.chunk(first, end-first, flags)
	f.Add(true, m.data)
	f.Fuzz(func(t *testing.T, thread bool, data []byte) {
		c, m, first, _, flags := fakeRange(thread)
		m.data = data
		blocks := []Block{{first + 0x50, 0x40 | flags}, {0x14010, 0x40 | flags}, {0x15ff0, 0x20 | flags}}
		_ = c.Verify(blocks, make([]Verdict, len(blocks))) // may fail
		if m.spans > 1<<18 {
			t.Errorf("%d reads", m.spans)
		}
	})
}
