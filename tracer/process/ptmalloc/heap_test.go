package ptmalloc

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

const megabyte = 1 << 20

func TestParamsCountMappedBlocks(t *testing.T) {
	p := start(t)
	p.alloc(100, 7)
	got := p.params()
	t.Logf("glibc %v, %s, main_arena %s (%v)", p.heap.Layout.Version, got.Source, p.heap.Layout.ArenaSource, p.heap.Layout.ArenaError)
	if got.MmapThreshold != defaultThreshold || got.TrimThreshold != defaultThreshold || got.MmapMax != mmapMaxDefault || !got.Dynamic || got.FrozenBy != nil {
		t.Errorf("%+v, want the defaults", got)
	}
	brk, err := ReadBrkRange(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	if !brk.Contains(got.SbrkBase) {
		t.Errorf("sbrk_base %#x, brk %#x", got.SbrkBase, brk)
	}
	p.alloc(megabyte, 13)
	p.alloc(3*megabyte, 5)
	info, got := p.info(), p.params()
	if uint64(got.MmappedBlocks) != info.hblks || got.MmappedBytes != info.hblkhd || got.MmappedBlocks != 18 {
		t.Errorf("%d mapped blocks of %d bytes, mallinfo has %+v", got.MmappedBlocks, got.MmappedBytes, info)
	}
}

func TestFreeRaisesThreshold(t *testing.T) {
	p := start(t)
	size := p.header(p.alloc(megabyte, 1)).Size()
	p.do("free")
	got := p.params()
	if size < megabyte || got.MmapThreshold != size || got.TrimThreshold != 2*size || !got.Dynamic || got.MmappedBlocks != 0 {
		t.Errorf("%+v, want a threshold of %d", got, size)
	}
}

func TestFrozenBy(t *testing.T) {
	for name, tc := range map[string]struct {
		environment, command, by string
		threshold                uint64
	}{
		"mallopt":        {"", "limit 300000", "mallopt", 300000},
		"threshold":      {"MALLOC_MMAP_THRESHOLD_=200000", "", "MALLOC_MMAP_THRESHOLD_", 200000},
		"hexadecimal":    {"GLIBC_TUNABLES=glibc.malloc.mmap_threshold=0x40000", "", "GLIBC_TUNABLES glibc.malloc.mmap_threshold", 0x40000},
		"top pad":        {"MALLOC_TOP_PAD_=65536", "", "MALLOC_TOP_PAD_", defaultThreshold},
		"trim threshold": {"MALLOC_TRIM_THRESHOLD_=1000000", "", "MALLOC_TRIM_THRESHOLD_", defaultThreshold},
		"mmap max":       {"MALLOC_MMAP_MAX_=7", "", "MALLOC_MMAP_MAX_", defaultThreshold},
		"tunable":        {"GLIBC_TUNABLES=glibc.malloc.tcache_count=3:glibc.malloc.mmap_max=9", "", "GLIBC_TUNABLES glibc.malloc.mmap_max", defaultThreshold},
		"overridden":     {"MALLOC_MMAP_THRESHOLD_=200000", "limit 300000", "mallopt", 300000},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, tc.environment)
			if v := p.heap.Layout.Version; strings.HasPrefix(tc.environment, tunables) && v.before(Version{2, 26}) {
				testprog.Missing(t, fmt.Sprint("no tunables in glibc ", v))
			}
			p.alloc(megabyte, 1)
			if tc.command != "" {
				p.do(tc.command)
			}
			p.do("free")
			got := p.params()
			if got.Dynamic || got.MmapThreshold != tc.threshold || !slices.Equal(got.FrozenBy, []string{tc.by}) {
				t.Errorf("%+v, want threshold %d frozen by %s", got, tc.threshold, tc.by)
			}
		})
	}
}

func TestServe(t *testing.T) {
	p := start(t)
	small := p.alloc(131048, 1)
	for p.arenas().Arenas[0].TopBytes > defaultThreshold {
		p.alloc(10000, 1) // otherwise the top would serve it
	}
	large := p.alloc(131049, 1)
	brk, err := ReadBrkRange(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	if h := p.header(small); Serve(small, h, brk) != ServedBrk || h.Size() != 131056 {
		t.Errorf("131048 bytes: %v, header %#x", Serve(small, h, brk), h)
	}
	if h := p.header(large); Serve(large, h, brk) != ServedMmap || h.Size() < 131072 {
		t.Errorf("131049 bytes: %v, header %#x", Serve(large, h, brk), h)
	}
	if before := p.arenas().Arenas[0]; !before.Contiguous {
		t.Errorf("%+v, want a contiguous arena", before)
	}
	p.do("nobrk")
	outside := p.alloc(100000, 20)
	if h := p.header(outside); Serve(outside, h, brk) != ServedArena || h&(IsMmapped|NonMainArena) != 0 {
		t.Errorf("without brk: %v at %#x, header %#x", Serve(outside, h, brk), outside, h)
	}
	if after := p.arenas().Arenas[0]; after.Contiguous {
		t.Errorf("%+v, want an arena that is not contiguous", after)
	}
}

func TestArenasEqualMallinfo(t *testing.T) {
	const threads = 5
	p := start(t)
	if got := p.arenas(); len(got.Arenas) > 1 {
		t.Errorf("%d arenas at the start", len(got.Arenas))
	}
	p.do("fragment 4000")
	p.do("threads 5")
	want, got := p.info(), p.arenas()
	system, free, complete := got.Total()
	if system != want.arena || free != want.fordblks || !complete {
		t.Errorf("%d bytes, %d free, complete %v; mallinfo has %+v: %+v", system, free, complete, want, got)
	}
	if len(got.Arenas) != threads+1 {
		t.Errorf("%d arenas, want %d", len(got.Arenas), threads+1)
	}
	var fast, bins Sum
	for i, a := range got.Arenas {
		fast.Chunks, fast.Bytes = fast.Chunks+a.Fast.Chunks, fast.Bytes+a.Fast.Bytes
		bins.Chunks += a.Bins.Chunks
		if a.Main != (i == 0) || a.Top == 0 || a.Threads != 1 || a.MaxSystemBytes < a.SystemBytes {
			t.Errorf("arena %d: %+v", i, a)
		}
	}
	// ordblks includes each arena's top chunk.
	if fast != (Sum{want.smblks, want.fsmblks}) || bins.Chunks+threads+1 != want.ordblks || bins.Chunks < 100 {
		t.Errorf("fast %+v, %d in bins; mallinfo has %+v", fast, bins.Chunks, want)
	}
	t.Logf("glibc %v: %d bytes in %d arenas, %d free, in bins %d, fast %+v",
		p.heap.Layout.Version, system, len(got.Arenas), free, bins.Chunks, fast)
}

func TestLimits(t *testing.T) {
	p := start(t)
	p.do("fragment 4000")
	p.do("threads 3")
	got, err := p.heap.Arenas(Limits{Arenas: 2})
	if err != nil || len(got.Arenas) != 2 || got.Partial == "" {
		t.Errorf("2 arenas: %v, %+v", err, got)
	}
	got, err = p.heap.Arenas(Limits{FreeChunks: 100})
	if err != nil || len(got.Arenas) != 4 || got.Partial != "" {
		t.Fatalf("100 chunks: %v, %+v", err, got)
	}
	var chunks uint64
	for _, a := range got.Arenas {
		chunks += a.Bins.Chunks + a.Fast.Chunks
		if a.Partial == "" {
			t.Errorf("%+v, want partial", a)
		}
	}
	if _, _, complete := got.Total(); chunks > 100 || complete {
		t.Errorf("%d chunks, complete %v", chunks, complete)
	}
}

func TestProcessEnds(t *testing.T) {
	p := start(t)
	p.alloc(100, 1)
	p.Kill()
	if got, err := p.heap.Params(); err == nil {
		t.Errorf("parameters of an ended process: %+v", got)
	}
	if got, err := p.heap.Arenas(Limits{}); err == nil {
		t.Errorf("arenas of an ended process: %+v", got)
	}
}

// TestRunning reads a process that keeps allocating: figures are bounded by what the arenas
// have, or are reported as partial.
func TestRunning(t *testing.T) {
	const threads = 3
	p := start(t)
	p.do("churn 3")
	partial, chunks := 0, uint64(0)
	for range 200 {
		got := p.arenas()
		if len(got.Arenas) > threads+1 {
			t.Fatalf("%d arenas", len(got.Arenas))
		}
		for _, a := range got.Arenas {
			chunks += a.Bins.Chunks
			if a.Partial != "" {
				partial++
			} else if a.FreeBytes() > a.SystemBytes {
				t.Errorf("%+v: more is free than there is", a)
			}
		}
		if params := p.params(); !params.Dynamic || params.MmapThreshold < defaultThreshold || params.MmapThreshold > 1<<20 {
			t.Errorf("%+v", params)
		}
	}
	if chunks == 0 {
		t.Error("no free chunk was ever seen")
	}
	t.Logf("%d of %d arenas read in part, %d free chunks in bins", partial, 200*(threads+1), chunks)
}

func BenchmarkArenas(b *testing.B) {
	p := start(b)
	p.do("fragment 4000")
	p.do("threads 7")
	var chunks uint64
	for b.Loop() {
		got := p.arenas()
		chunks = 0
		for _, a := range got.Arenas {
			chunks += a.Bins.Chunks + a.Fast.Chunks
		}
	}
	b.ReportMetric(float64(chunks), "chunks")
}
