package ptmalloc

import (
	"io"
	"strings"
	"testing"
)

// These are places in the memory of fakeChecker, after the two arenas: chunks from fakeChunks
// on, a cache, and a thread's descriptor with its variables below.
const (
	fakeChunks = 0x13000
	fakeCache  = 0x15010
	fakeThread = 0x17800
	fakeSlot   = 0x10040
)

// fakeChecker returns a checker of a heap of one thread. The thread's cache has the layout
// with index cache.
func fakeChecker(version Version, cache int) (*Checker, *fakeMemory) {
	arena := arenaLayouts[2]
	if cache == len(cacheLayouts)-1 {
		arena = arenaLayouts[3]
	}
	h, m, _ := fakeHeap(arena)
	h.Layout.Version = version
	h.Layout.fast = h.Layout.mangling()
	h.Layout.tls = tlsLayout{slots: []uint64{fakeSlot - 0x10000}, segments: []addressSpan{{0, 0x3000}}}
	m.put(0x10000+h.Layout.params.sbrkBase+24, 7) // mp_.tcache_count
	m.put(fakeSlot, ^uint64(15))                  // -16
	m.put(fakeThread-16, fakeCache)
	m.put(fakeCache-8, cacheLayouts[cache].size|1)
	c := NewChecker(h)
	c.findThreads = func() error {
		c.threads.pointers, c.threads.unknown = append(c.threads.pointers[:0], fakeThread), 0
		return nil
	}
	c.maps.open = func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("10000-18000 rw-p 0 00:00 0\n")), nil
	}
	return c, m
}

// chunk writes a chunk's header and returns the block in it.
func (m *fakeMemory) chunk(addr, size uint64, flags Header) Block {
	m.put(addr+chunkSize, size|uint64(flags))
	return Block{addr + chunkHeader, Header(size) | flags}
}

func verdict(t *testing.T, c *Checker, b Block) Verdict {
	t.Helper()
	var v [1]Verdict
	if err := c.Check([]Block{b}, v[:]); err != nil {
		t.Fatal(err)
	}
	return v[0]
}

func TestCheckHeaders(t *testing.T) {
	const size = 0x90
	for name, tc := range map[string]struct {
		then, own, next Header
		want            Verdict
	}{
		"in use":              {size | 1, size | 1, 0x21, Verdict{InUse, None}},
		"neighbour freed":     {size | 1, size, 0x21, Verdict{Unknown, Inconsistent}}, // with a prev_size of 0
		"next to a fencepost": {size | 5, size | 5, 0x11, Verdict{InUse, None}},
		"freed":               {size | 1, size | 1, 0x20, Verdict{Free, NextSaysFree}},
		"freed, of a thread":  {size | 5, size | 1, 0x21, Verdict{Free, HeaderChanged}},
		"merged":              {size | 1, 2*size | 1, 0x21, Verdict{Free, HeaderChanged}},
		"split":               {size | 1, 0x31, 0x21, Verdict{Free, HeaderChanged}},
		"overwritten":         {size | 1, 0, 0x21, Verdict{Free, HeaderChanged}},
		"next overwritten":    {size | 1, size | 1, 0x29, Verdict{Free, NextChanged}},
		"next mapped":         {size | 1, size | 1, 0x23, Verdict{Free, NextChanged}},
		"next without a size": {size | 1, size | 1, 1, Verdict{Free, NextChanged}},
		"mapped":              {0x1002, 0x1002, 0, Verdict{InUse, None}},
		"mapped, resized":     {0x1002, 0x2002, 0, Verdict{Free, HeaderChanged}},
		"mapped, other flags": {0x1002, 0x1003, 0, Verdict{Free, HeaderChanged}},
		"no header":           {0, 0, 0, Verdict{Unknown, NotAChunk}},
	} {
		c, m := fakeChecker(Version{2, 36}, 1)
		m.chunk(fakeChunks+size, uint64(tc.next&^7), tc.next&7)
		b := m.chunk(fakeChunks, uint64(tc.own&^7), tc.own&7)
		b.Header = tc.then
		if got := verdict(t, c, b); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// TestCheckMerged has a block whose own header says that the chunk before it is free, and
// neighbours that show, or do not show, that it was merged.
func TestCheckMerged(t *testing.T) {
	const before, block, behind = fakeChunks, fakeChunks + 0x100, fakeChunks + 0x190
	for name, tc := range map[string]struct {
		change func(m *fakeMemory)
		want   Verdict
	}{
		"merged":              {func(*fakeMemory) {}, Verdict{Free, Merged}},
		"only a neighbour":    {func(m *fakeMemory) { m.put(before+chunkSize, 0x101) }, Verdict{InUse, None}},
		"in no list":          {func(m *fakeMemory) { m.put(before+chunkFd, before); m.put(before+chunkBk, fakeChunks+0x800) }, Verdict{Unknown, Inconsistent}},
		"handed out":          {func(m *fakeMemory) { m.put(behind+0x100+chunkSize, 0x31) }, Verdict{Unknown, Inconsistent}},
		"another size behind": {func(m *fakeMemory) { m.put(behind+0x100, 0x90) }, Verdict{Unknown, Inconsistent}},
		"garbage before":      {func(m *fakeMemory) { m.put(block, 0x5a5a5a5a5a5a5a5a) }, Verdict{Unknown, Inconsistent}},
		"before all memory":   {func(m *fakeMemory) { m.put(block, 1<<40) }, Verdict{Unknown, Inconsistent}},
		"merged again": {func(m *fakeMemory) { // with what precedes the chunk before
			m.put(behind+0x100, 0x390)
			link(m, 0x16800, 0x390, before-0x100)
		}, Verdict{Free, Merged}},
	} {
		c, m := fakeChecker(Version{2, 36}, 1)
		m.chunk(behind, 0x100, PrevInUse)
		b := m.chunk(block, 0x90, 0)
		m.put(block, 0x100) // prev_size
		m.put(behind+0x100, 0x290)
		m.chunk(behind+0x100, 0x30, 0)
		link(m, 0x16800, 0x290, before)
		tc.change(m)
		if got := verdict(t, c, b); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// TestCheckCaches has a block in a cache of each layout, and blocks that look similar.
func TestCheckCaches(t *testing.T) {
	const size, bin, key = 0x40, 2, 0x123456789abcdef1
	for name, tc := range map[string]struct {
		version Version
		layout  int
		mark    uint64
		// over is how much larger than the structure's chunk needs to be it is.
		over uint64
	}{
		"2.27":                  {Version{2, 27}, 0, 0, 0},
		"2.28 with a mark":      {Version{2, 28}, 1, fakeCache, 0},
		"2.29":                  {Version{2, 29}, 0, fakeCache, 16},
		"2.31":                  {Version{2, 31}, 1, fakeCache, 0},
		"2.33":                  {Version{2, 33}, 1, fakeCache, 0},
		"2.36":                  {Version{2, 36}, 1, key, 16},
		"2.42":                  {Version{2, 42}, 2, key, 0},
		"2.43":                  {Version{2, 43}, 2, key, 16},
		"2.43 with a rest":      {Version{2, 43}, 2, key, 32},
		"version not to be had": {Version{}, 1, key, 0},
	} {
		c, m := fakeChecker(tc.version, tc.layout)
		m.put(fakeCache-8, cacheLayouts[tc.layout].size+tc.over|1)
		mangled := func(at, to uint64) uint64 { return c.demangled(to, at) } // its own inverse
		first := m.chunk(fakeChunks, size, PrevInUse)
		second := m.chunk(fakeChunks+size, size, PrevInUse)
		other := m.chunk(fakeChunks+2*size, size, PrevInUse)
		m.chunk(fakeChunks+3*size, size, PrevInUse)
		l := cacheLayouts[tc.layout]
		m.put(fakeCache+l.entries+bin*8, first.Address)
		m.put(first.Address, mangled(first.Address, second.Address))
		m.put(second.Address, mangled(second.Address, 0))
		m.put(other.Address, mangled(other.Address, first.Address))
		for _, b := range []Block{first, second, other} {
			m.put(b.Address+8, tc.mark)
		}
		switch l.countBytes {
		case 1:
			m.data[fakeCache+bin-m.base] = 2
		case 2:
			m.data[fakeCache+2*bin-m.base] = 2
		}
		var v [3]Verdict
		if err := c.Check([]Block{first, second, other}, v[:]); err != nil {
			t.Fatal(err)
		}
		if want := [3]Verdict{{Free, Tcache}, {Free, Tcache}, {InUse, None}}; v != want || c.Caches() != nil {
			t.Errorf("%s: %v, want %v; caches %v", name, v, want, c.Caches())
		}
		m.put(fakeThread-16, fakeCache+16) // no cache
		c, _ = fakeChecker(tc.version, tc.layout)
		c.h.mem, c.rd.mem = m, m
		if err := c.Check([]Block{first, second, other}, v[:]); err != nil {
			t.Fatal(err)
		}
		if want := (Verdict{Unknown, CacheUnseen}); v[0] != want || v[1] != want || v[2].State == Free || c.Caches() == nil {
			t.Errorf("%s, not found: %v, want %v; caches %v", name, v, want, c.Caches())
		}
	}
}

func TestCheckUnmapped(t *testing.T) {
	const maps = "10000-18000 rw-p 0 00:00 0\n20000-30000 rw-p 0 00:00 0\n"
	for name, tc := range map[string]struct {
		address uint64
		smaps   string
		want    Verdict
	}{
		"no mapping":          {0x19010, "", Verdict{Free, Unmapped}},
		"behind all mappings": {0x30010, "", Verdict{Free, Unmapped}},
		"next has none":       {0x2fff0, "", Verdict{Free, Unmapped}},
		"no page":             {0x20010, "10000-18000 rw\nVmFlags: rd\n20000-30000 rw\nVmFlags: rd wr \n", Verdict{Free, NoPage}},
		"userfaultfd":         {0x20010, "10000-18000 rw\nVmFlags: rd\n20000-30000 rw\nVmFlags: rd um \n", Verdict{Unknown, Unreadable}},
		"userfaultfd, minor":  {0x20010, "20000-30000 rw\nVmFlags: rd ui ac\n", Verdict{Unknown, Unreadable}},
	} {
		c, m := fakeChecker(Version{2, 36}, 1)
		m.absent = true
		c.maps.open = func(file string) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(map[string]string{"maps": maps, "smaps": tc.smaps}[file])), nil
		}
		if got := verdict(t, c, Block{tc.address, 0x91}); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// FuzzCheck checks blocks in arbitrary memory. A block that looks in use, and that is in no
// list and no larger chunk, is not free.
func FuzzCheck(f *testing.F) {
	for layout := range cacheLayouts {
		_, m := fakeChecker(Version{2, 36}, layout)
		b := m.chunk(fakeChunks, 0x40, PrevInUse)
		m.chunk(fakeChunks+0x40, 0x90, PrevInUse)
		m.put(fakeCache+cacheLayouts[layout].entries+16, b.Address)
		m.put(b.Address, b.Address>>12)
		m.put(b.Address+8, 77)
		f.Add(byte(layout), byte(36), b.Address, uint64(b.Header), m.data, []byte("10000-18000 rw-p\nVmFlags: rd um\n"))
	}
	f.Fuzz(func(t *testing.T, layout, minor byte, addr, header uint64, data, maps []byte) {
		c, m := fakeChecker(Version{2, 17 + int(minor)%27}, int(layout)%len(cacheLayouts))
		m.data = data
		c.maps.open = func(string) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(string(maps))), nil
		}
		blocks := []Block{{addr, Header(header)}, {fakeChunks + chunkHeader, 0x41}, {fakeChunks + 0x50, 0x91}}
		var v [3]Verdict
		if err := c.Check(blocks, v[:]); err != nil {
			return
		}
		for i, v := range v {
			if known := v.State != Unknown || v.Reason >= NotAChunk; !known || (v.State == InUse) != (v.Reason == None) {
				t.Errorf("%+v: %v", blocks[i], v)
			}
		}
		if m.spans > 1<<18 {
			t.Errorf("%d reads", m.spans)
		}
	})
}
