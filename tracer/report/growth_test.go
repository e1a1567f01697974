package report

// growthFixture has growth of several classes, given back in part, and faults.
func growthFixture() *Report {
	const mib = 1 << 20
	r := fixture()
	r.Mode, r.TracedFraction, r.OlderSeconds = ModeGrowth, 0, 0
	r.Events = Events{Brk: 31, Mmap: 24, Munmap: 4, Mremap: 1, Mprotect: 3}
	sysmalloc := Frame{Address: 0x7f0a1009a1ca, Function: "sysmalloc", Module: "/usr/lib/x86_64-linux-gnu/libc.so.6", Offset: 0x741ca}
	malloc := Frame{Address: 0x7f0a1009b000, Function: "malloc", Module: "/usr/lib/x86_64-linux-gnu/libc.so.6", Offset: 0x75000}
	session := sessiond("make_session", 0x1c3f, "/build/sessiond/src/session.c", 142)
	r.Stacks = []Stack{
		{
			ID: "9f31c2a07be4d115", Kind: Grown, Bytes: 40 * mib, Blocks: 20, AllocatedBytes: 48 * mib, AllocatedBlocks: 24, FreedBlocks: 4,
			GrowthBytesPerSecond: 1.3 * mib, Survival: 0.8, OldestSeconds: 29, YoungestSeconds: 0.5,
			Grown:     []ClassBytes{{"malloc_mmap", "malloc's mmaps", 36 * mib}, {"mmap", "anonymous mmaps", 4 * mib}},
			FaultedIn: &FaultEstimate{Bytes: 31457280, Samples: 240, Estimated: true}, InAllocator: true,
			Frames: []Frame{sysmalloc, malloc, session, mainFrame(), libcStart()},
		},
		{
			ID: "0041", Kind: Grown, Bytes: 270336, Blocks: 2, AllocatedBytes: 270336, AllocatedBlocks: 2, Survival: 1,
			OldestSeconds: 29.97, YoungestSeconds: 29.1, Truncated: true,
			Grown: []ClassBytes{{"mmap", "anonymous mmaps", 270336}}, FaultedIn: &FaultEstimate{Estimated: true}, InAllocator: true,
			Frames: []Frame{{Address: 0x7f0a0f005678}},
		},
	}
	r.StacksTotal = 3
	r.Outstanding = Sum{Bytes: 40*mib + 405504, Blocks: 23}
	r.Growth = &Growth{
		Faults: Faults{Sampled: true, Count: 10021, Lost: 12, FaultEstimate: FaultEstimate{Bytes: 31 * mib, Samples: 248, Estimated: true}},
		FaultStacks: []FaultStack{{
			ID: "77aa", FaultEstimate: FaultEstimate{Bytes: 30 * mib, Samples: 240, Estimated: true},
			Classes: []ClassBytes{{"malloc_mmap", "malloc's mmaps", 30 * mib}},
			Frames:  []Frame{session, mainFrame(), libcStart()},
		}},
		FaultStacksTotal: 4,
	}
	m := memoryFixture().Memory
	r.Memory = &m
	return r
}

// growthOfOldKernel has no page faults and has lost an event.
func growthOfOldKernel() *Report {
	r := fixture()
	r.Mode, r.TracedFraction, r.OlderSeconds, r.Target.Exited, r.Complete = ModeGrowth, 0, 0, true, false
	r.Events = Events{Mmap: 1, Lost: Lost{Mmap: 3}}
	r.Growth = &Growth{}
	return r
}
