package report

import (
	"math"
	"strings"
	"time"
)

var traceStart = time.Date(2026, 3, 1, 3, 12, 5, 0, time.UTC)

// fixture returns what most reports of the tests have in common.
func fixture() *Report {
	return &Report{
		Schema: Schema,
		Target: Target{
			PID:       4242,
			Command:   "sessiond",
			Exe:       "/usr/sbin/sessiond",
			Allocator: "glibc",
			Libc:      "/usr/lib/x86_64-linux-gnu/libc.so.6",
			Modules: []Module{
				{Path: "/usr/lib/x86_64-linux-gnu/libc.so.6", BuildID: "cafe01", Start: 0x7f0a10026000, End: 0x7f0a1017b000, Offset: 0x26000},
				{Path: "/usr/sbin/sessiond", BuildID: "beef02", Start: 0x55d0c1f2a000, End: 0x55d0c1f40000, Offset: 0x1000},
			},
		},
		Start:           traceStart,
		End:             traceStart.Add(30 * time.Second),
		DurationSeconds: 30,
		Mode:            ModeExact,
		TracedFraction:  1,
		Complete:        true,
		Events:          Events{Alloc: 1204331, Free: 1190002, Realloc: 17, UnknownFree: 5},
		OlderSeconds:    0.5,
	}
}

func libcStart() Frame {
	return Frame{Address: 0x7f0a100461ca, Function: "__libc_start_call_main", Module: "/usr/lib/x86_64-linux-gnu/libc.so.6", Offset: 0x271ca}
}

func sessiond(function string, at uint64, file string, line int) Frame {
	return Frame{Address: 0x55d0c1f29000 + at, Function: function, Module: "/usr/sbin/sessiond", Offset: at, File: file, Line: line}
}

func mainFrame() Frame {
	return sessiond("main", 0x1a10, "/build/sessiond/src/server.c", 210)
}

// typical has an inlined frame, unknown frames and every kind of growth.
func typical() *Report {
	r := fixture()
	inlined := sessiond("handle_request", 0x1b44, "/build/sessiond/src/server.c", 88)
	inlined.Inline = true
	r.Stacks = []Stack{
		{
			ID: "9f31c2a07be4d115", Kind: Heap, Bytes: 8493465, Blocks: 10240,
			AllocatedBytes: 8835194, AllocatedBlocks: 10652, GrowthBytesPerSecond: 283115.5, Survival: 1,
			OldestSeconds: 29.8, YoungestSeconds: 0.5,
			Frames: []Frame{
				sessiond("make_session", 0x1c3f, "/build/sessiond/src/session.c", 142),
				inlined,
				sessiond("serve_connection", 0x1b44, "/build/sessiond/src/server.c", 131),
				mainFrame(),
				libcStart(),
			},
		},
		{
			ID: "0041", Kind: Heap, Bytes: 4096000, Blocks: 4000,
			AllocatedBytes: 6553600, AllocatedBlocks: 6400, FreedBlocks: 2400, GrowthBytesPerSecond: 12.5, Survival: 0.625,
			OldestSeconds: 29.97, YoungestSeconds: 29.1, Truncated: true,
			Frames: []Frame{
				{Address: 0x7f0a0f001234, Module: "/opt/vendor/lib/libplugin.so (deleted)", Offset: 0x1234},
				{Address: 0x7f0a0f005678},
			},
		},
		{
			ID: "0042", Kind: Heap, Bytes: 412000, Blocks: 88,
			AllocatedBytes: 120000000, AllocatedBlocks: 26000, FreedBlocks: 25912, GrowthBytesPerSecond: -2100, Survival: 0.0004,
			OldestSeconds: 11, YoungestSeconds: 0.75,
			Frames: []Frame{sessiond("log_line", 0x2001, "log.c", 9), mainFrame(), libcStart()},
		},
		{
			ID: "0043", Kind: Heap, Bytes: 876, Blocks: 1,
			AllocatedBytes: 876, AllocatedBlocks: 1, Survival: 1, OldestSeconds: 30, YoungestSeconds: 30,
			Frames: []Frame{sessiond("init_tables", 0x2101, "tables.c", 31), mainFrame(), libcStart()},
		},
	}
	r.StacksTotal = 11
	r.Outstanding = Sum{Bytes: 14263007, Blocks: 14411}
	r.Young = Sum{Bytes: 85094, Blocks: 412}
	r.Notes = []string{
		"2 of 7 modules have no symbols: frames in them show the module and the offset, which addr2line resolves where debug files are at hand.",
		"the process loaded /opt/vendor/lib/libplugin.so 12.1 s into the trace",
	}
	return r
}

func empty() *Report {
	r := fixture()
	r.Young = Sum{Bytes: 85094, Blocks: 412}
	return r
}

func incomplete() *Report {
	r := typical()
	r.Complete = false
	r.Events.Lost = Lost{Alloc: 120, AllocBytes: 3250586, Stack: 3}
	r.Events.Evicted = 2
	r.Unprobed = []string{"no probe reaches free of /usr/lib/libc.so.6: its code is mapped writable"}
	r.Stacks = r.Stacks[:1]
	return r
}

func exited() *Report {
	r := typical()
	r.Target.Exited, r.Target.ExitSignal = true, "SIGABRT"
	r.OlderSeconds = 0
	r.Young = Sum{}
	r.Stacks = r.Stacks[3:]
	r.Outstanding = Sum{Bytes: 1000, Blocks: 3}
	r.StacksTotal = 1
	r.Notes = nil
	return r
}

// hostile has names that try to break out of each form.
func hostile() *Report {
	r := fixture()
	r.Target.Command = "\x1b]0;pwned\x07\x1b[2J"
	r.Target.Libc = "/tmp/\u202egnp.so\n#1 fake"
	r.Target.Exe = "/tmp/a\tb"
	r.Notes = []string{"note with \x1b[31m red\nand a second line"}
	names := []string{
		"a;b 17", "ends in number 42", "\x1b[2Jclear", "new\nline 5\n", "\xff\xfe not UTF-8", "rtl\u202eoverride\u2066\u200f",
		"c1\u0085\u009b31m", "sep\u2028\u2029", "tag\U000e0041", "back\\slash \"quoted\" <html>&amp;", " ",
		strings.Repeat("long", 3000), strings.Repeat("e\u0301\u0301", 200),
	}
	for i, n := range names {
		r.Stacks = append(r.Stacks, Stack{
			ID: "66", Kind: Heap, Bytes: uint64(1000 - i), Blocks: 1, AllocatedBlocks: 1, Survival: 1,
			Frames: []Frame{{Address: uint64(4096 + i), Function: n, Module: n, File: n, Line: i}, mainFrame()},
		})
		r.Outstanding.Bytes += uint64(1000 - i)
		r.Outstanding.Blocks++
	}
	r.StacksTotal = len(r.Stacks)
	return r
}

func huge() *Report {
	r := fixture()
	const most = math.MaxUint64
	r.Target.PID = math.MaxInt32
	r.Target.Libc = "/snap/core22/current/a/rather/deep/tree/of/directories/usr/lib/x86_64-linux-gnu/libc.so.6"
	r.DurationSeconds = 40 * 86400
	r.Complete = false
	r.Events = Events{
		Alloc: most, Free: most, Realloc: most, Mmap: most, Munmap: most, Mremap: most, Brk: most, Mprotect: most,
		UnknownFree: most, Evicted: most, Lost: Lost{Alloc: most, AllocBytes: most, Free: most, Stack: most, Mmap: most},
	}
	r.Outstanding = Sum{Bytes: most, Blocks: most}
	r.Young = Sum{Bytes: most, Blocks: most}
	r.StacksTotal = math.MaxInt32
	s := Stack{
		ID: "ffffffffffffffff", Kind: Heap, Bytes: most - 1, Blocks: most - 1, AllocatedBytes: most, AllocatedBlocks: most, FreedBlocks: most,
		GrowthBytesPerSecond: 1e30, Survival: 0.9999999, OldestSeconds: 1e12, YoungestSeconds: 3 * 86400,
		Frames: []Frame{{Address: most, Function: "f", Module: "/" + strings.Repeat("m", 300), Offset: most}},
	}
	r.Stacks = []Stack{s, {ID: "1", Kind: Heap, Bytes: 1, Blocks: 1, GrowthBytesPerSecond: 1e-9}}
	return r
}

// wideNames has template names, wide characters and deep recursion.
func wideNames() *Report {
	r := fixture()
	r.Target.Command = "搜索引擎服务"
	const cxx = "/usr/src/app/include/very/deep/directory/structure/"
	frames := []Frame{
		sessiond("std::vector<std::pair<std::basic_string<char>, int>, std::allocator<std::pair<std::basic_string<char>, int> > >::push_back(std::pair<std::basic_string<char>, int> const&)", 0x3000, cxx+"stl_vector.h", 1285),
		sessiond("bool operator< <Key>(std::map<Key, Value, std::less<Key> > const&, std::map<Key, Value, std::less<Key> > const&)", 0x3100, cxx+"stl_map.h", 1500),
		sessiond("(anonymous namespace)::Cache::operator()(std::unordered_map<int, std::string> const&, unsigned long) const", 0x3200, "cache.cc", 7),
		sessiond("<alloc::vec::Vec<T,A> as core::iter::traits::collect::Extend<T>>::extend::{closure#0}", 0x3300, "lib.rs", 77),
		sessiond("索引::增加条目(字符串 常量&, 无符号长整数)::{lambda(整数)#1}::operator()(整数) const 很长的名字", 0x3400, "索引/条目.cc", 12),
		sessiond("a_plain_c_function_whose_name_goes_on_and_on_without_any_brackets_to_leave_out", 0x3500, "c.c", 3),
		sessiond("short", 0x3600, "/a/long/path/to/a/file/that/does/not/fit/the/rest/of/the/line/at/all/file.c", 1),
	}
	for range 57 {
		frames = append(frames, sessiond("visit(Node const*)", 0x3700, "walk.cc", 40))
	}
	frames = append(frames, sessiond("visit(Node const*)", 0x3710, "walk.cc", 44), mainFrame(), libcStart())
	r.Stacks = []Stack{{
		ID: "77", Kind: Heap, Bytes: 1023990, Blocks: 3, AllocatedBytes: 1023990, AllocatedBlocks: 3, Survival: 1,
		OldestSeconds: 3599.9, YoungestSeconds: 59.97, GrowthBytesPerSecond: 1e6, Frames: frames,
	}}
	r.StacksTotal = 1
	r.Outstanding = Sum{Bytes: 1023990, Blocks: 3}
	return r
}

// mappings has mmap stacks with lists of their blocks.
func mappings() *Report {
	r := fixture()
	r.Events.Mmap, r.Events.Munmap, r.Events.Mremap, r.Events.Brk = 40, 3, 1, 12
	r.Stacks = []Stack{
		{
			ID: "a1", Kind: Mmap, Bytes: 155189248, Blocks: 37, AllocatedBytes: 167772160, AllocatedBlocks: 40, FreedBlocks: 3,
			GrowthBytesPerSecond: 5242880, Survival: 0.925, OldestSeconds: 29.4, YoungestSeconds: 0.7,
			Frames: []Frame{sessiond("grow_pool", 0x4001, "pool.c", 61), mainFrame(), libcStart()},
			BlockList: []Block{
				{Address: 0x7f0a00000000, Bytes: 67108864, AgeSeconds: 29.4},
				{Address: 0x7f09f0000000, Bytes: 4194304, AgeSeconds: 3.25},
				{Address: 0x7f09ef000000, Bytes: 4096, AgeSeconds: 0.7},
			},
		},
		{
			ID: "a2", Kind: Heap, Bytes: 1536, Blocks: 2, AllocatedBytes: 1536, AllocatedBlocks: 2, Survival: 1,
			OldestSeconds: 12.34, YoungestSeconds: 12.3,
			Frames:    []Frame{sessiond("grow_pool", 0x4001, "pool.c", 61), mainFrame(), libcStart()},
			BlockList: []Block{{Address: 0x55d0c2000010, Bytes: 1024, AgeSeconds: 12.34}, {Address: 0x55d0c2000420, Bytes: 512, AgeSeconds: 12.3}},
		},
	}
	r.Stacks[1].Served = &Served{Brk: Share{Sum{Bytes: 1024, Blocks: 1}, 1040}, Arena: Share{Sum{Bytes: 512, Blocks: 1}, 528}}
	r.MallocSplit = &MallocSplit{
		MmapThreshold: 1052672, ThresholdSource: "mp_ image", Dynamic: true,
		Changes: []ThresholdChange{{Seconds: 3.25, From: 131072, To: 1052672}},
		MmapMax: 65536, MmappedBlocks: 3, MmappedBytes: 3158016,
		Served: *r.Stacks[1].Served,
		Exceptions: Exceptions{
			BelowThresholdMmapped: Sum{Bytes: 262098, Blocks: 2}, AboveThresholdInHeap: Sum{Bytes: 2000000, Blocks: 1},
		},
	}
	r.StacksTotal = 2
	r.Outstanding = Sum{Bytes: 155190784, Blocks: 39}
	return r
}

// whole is a trace's report with everything in it: stacks of both kinds, of which one is cut
// off, and the memory around them.
func whole() *Report {
	r := mappings()
	m := threads().Memory
	m.Segments = append(m.Segments[:2:2], m.Segments[3:]...)
	const class, label = "mmap", "anonymous mmaps"
	m.Regions[3].Class, m.Regions[3].Label = class, label
	m.Segments[0].Class, m.Segments[0].Label = class, label
	m.Segments[0].Stack, m.Segments[0].Origin = r.Stacks[0].ID, "grow_pool < main"
	m.Verdict = "Anonymous mmaps grow 2.0 MiB/s in segments of 2.0 MiB. The brk heap grows 52.9 KiB/s. Resident memory grows 2.0 MiB/s."
	m.Notes = []string{"malloc keeps 101.6 KiB free of the 3.6 MiB that its heaps have"}
	s := systemFixture().System
	r.Memory, r.System = &m, &s
	r.AddSuppressed([]Suppressed{
		{Pattern: "^tzset$", Stacks: 3, Sum: Sum{Bytes: 2320, Blocks: 12}},
		{Pattern: "libplugin.so", Stacks: 1, Sum: Sum{Bytes: 1048576, Blocks: 4}, LeakBytesPerSecond: 4096, Estimated: true},
		{Pattern: "^tzset$", Stacks: 1, Sum: Sum{Bytes: 80, Blocks: 1}},
	})
	r.Outstanding = r.Outstanding.Plus(r.AllSuppressed().Sum)
	r.StacksTotal = 3
	r.Outstanding.Bytes += 1 << 20
	r.Outstanding.Blocks += 7
	r.Notes = []string{"The process forked 2 times; its children are not traced (trace them with -p)."}
	return r
}

// windows is a report of a process that was watched in windows.
func windows() *Report {
	r := fixture()
	r.Mode, r.TracedFraction = ModeWindows, 0.0184
	r.Events = Events{Mmap: 12, Munmap: 3}
	r.Sampling = &Sampling{
		SinceSeconds: 0.032, Windows: 61, TracedSeconds: 1.83, Dropped: 2, MaxOverhead: 0.03, Overhead: 0.0287, Pace: 0.061,
		MaturitySeconds: 10, Candidates: 21204, Freed: 15011, Reused: 240, FoundFree: 5120, Checked: true,
	}
	frames := []Frame{sessiond("make_session", 0x1c3f, "/build/sessiond/src/session.c", 142), mainFrame(), libcStart()}
	r.Stacks = []Stack{
		{ID: "a1", Kind: Heap, Frames: frames, Estimate: &Estimate{
			Class: "leak", Confidence: 0.9997, MaturitySeconds: 10,
			LeakBytesPerSecond: Bounds{66830, 58211, 76390}, LeakBlocksPerSecond: Bounds{334.2, 291.1, 381.9},
			Survivors: Sum{Bytes: 100000, Blocks: 500}, SurvivorWindows: 51, Young: Sum{Bytes: 20000, Blocks: 100},
			AllocationsPerSecond: 336, Survival: 0.991, OldestSeconds: 119.2,
		}},
		{ID: "a2", Kind: Heap, Frames: frames[1:], Estimate: &Estimate{
			Class: "active leak", Confidence: 0.981, MaturitySeconds: 40,
			LeakBytesPerSecond: Bounds{8.5, 2.25, 31}, LeakBlocksPerSecond: Bounds{0.133, 0.035, 0.48},
			Survivors: Sum{Bytes: 256, Blocks: 4}, SurvivorWindows: 4, Active: Sum{Bytes: 192, Blocks: 3},
			AllocationsPerSecond: 0.2, Survival: 0.8, OldestSeconds: 88,
		}},
		{ID: "a5", Kind: Heap, Frames: frames[:2], Estimate: &Estimate{
			Class: "possible leak", Confidence: 0.902, MaturitySeconds: 10,
			LeakBytesPerSecond: Bounds{96, 11.6, 346}, LeakBlocksPerSecond: Bounds{2, 0.24, 7.2},
			Survivors: Sum{Bytes: 96, Blocks: 2}, SurvivorWindows: 2,
			AllocationsPerSecond: 2, Survival: 1, OldestSeconds: 71,
		}},
		{
			ID: "a3", Kind: Mmap, Bytes: 6291456, Blocks: 6, AllocatedBytes: 6291456, AllocatedBlocks: 6,
			Survival: 1, OldestSeconds: 101, YoungestSeconds: 3, Frames: frames[1:],
		},
		{ID: "a4", Kind: Heap, Frames: frames[:1], Estimate: &Estimate{Class: "undecided", MaturitySeconds: 10, Young: Sum{Bytes: 64, Blocks: 1}, Survival: 0.01}},
	}
	r.StacksTotal = 9
	r.Outstanding = Sum{Bytes: 6291456, Blocks: 6}
	return r
}

// allocators are several that served one process.
func allocators() *Report {
	r := typical()
	r.Target.Allocator = "jemalloc, libpool.so, glibc"
	r.Stacks[0].Allocator, r.Stacks[1].Allocator, r.Stacks[2].Allocator = "jemalloc", "libpool.so", "glibc"
	r.Stacks[2].Served = &Served{Brk: Share{Sum: Sum{Bytes: 412000, Blocks: 88}, ChunkBytes: 413600}}
	r.Allocators = []AllocatorSum{
		{"jemalloc", Sum{Bytes: 8493465, Blocks: 10240}},
		{"libpool.so", Sum{Bytes: 4096000, Blocks: 4000}},
		{"glibc", Sum{Bytes: 412000, Blocks: 88}},
	}
	return r
}

// fixtures returns the reports that golden files show in every form.
func fixtures() map[string]*Report {
	return map[string]*Report{
		"typical":    typical(),
		"allocators": allocators(),
		"freed":      forgetful(),
		"empty":      empty(),
		"incomplete": incomplete(),
		"exited":     exited(),
		"hostile":    hostile(),
		"huge":       huge(),
		"wide":       wideNames(),
		"mmap":       mappings(),
		"whole":      whole(),
		"windows":    windows(),
		"growth":     growthFixture(),
		"growth-old": growthOfOldKernel(),
		"measured":   measured(),

		"beside": beside(), "beside-exact": besideExact(), "beside-unread": unread(),
	}
}
