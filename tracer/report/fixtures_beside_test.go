package report

import "time"

// beside has looks at the heap beside a trace in windows: a group of which windows saw some, one that
// they saw nothing of, and one that looks like what others hold.
func beside() *Report {
	r := windows()
	group := func(size uint64, kind string, holder HeapRoot) HeapOrigin {
		return HeapOrigin{
			HeapGrowth: HeapGrowth{Size: size, Kind: kind, Holder: holder, Class: HeapSteady, Came: 12, PerMinute: 10, Low: 5, High: 18, Confidence: 0.95},
			Checked:    12, SeenEverySeconds: 900,
		}
	}
	sessions := group(136, "", HeapRoot{Class: HeapGlobal, Name: "sessions", Module: "/usr/sbin/sessiond", Address: 0x4098})
	sessions.Shape, sessions.Depth = "list", 13
	sessions.Traced = 3
	sessions.AllocatedBy = []HeapSource{
		{ID: r.Stacks[0].ID, Blocks: 2, Frames: r.Stacks[0].Frames},
		{ID: "dead", Blocks: 1, Frames: []Frame{sessiond("new_user", 0x2501, "user.c", 12), sessiond("log in\x1b[31m", 0x2601, "user.c", 90), mainFrame(), libcStart()}},
	}
	lost := group(88, "", HeapRoot{Class: HeapUnreached})
	rare := group(48, "", HeapRoot{Class: HeapGlobal, Name: "names", Module: "/usr/sbin/sessiond", Address: 0x40a0})
	rare.Traced = 9
	rare.AllocatedBy = []HeapSource{
		{ID: "cafe", Blocks: 8, Returned: 8, Given: 9, Frames: []Frame{sessiond("intern", 0x2801, "names.c", 7), mainFrame()}},
		{ID: "fade", Blocks: 1, Returned: 1, Given: 210, Frames: []Frame{sessiond("format", 0x2901, "text.c", 33), mainFrame()}},
	}
	typed := group(64, "Order", HeapRoot{Class: HeapTLS, Name: "queue"})
	typed.Class, typed.SeenEverySeconds = HeapUnknown, 40
	typed.LooksLike = []HeapSource{{ID: "beef", Blocks: 4, Frames: []Frame{sessiond("Order::make()", 0x2701, "order.cc", 5), mainFrame()}}, {ID: "gone", Blocks: 1}}
	r.Heap = &HeapBeside{
		Looks: 9, End: r.End.Add(-4 * time.Second), DurationSeconds: 80, ReadSeconds: 0.4, InUse: HeapSum{Blocks: 22474, Bytes: 4 << 20},
		Growing: []HeapOrigin{sessions, lost, typed, rare}, GrowingTotal: 6,
		Focus: &HeapFocus{
			Places: 1678, Probed: 519, OtherSizes: 1150, TooOften: 6, Refused: 1, NoRoom: 2, Calls: 340, CallsTooOften: 120, Lost: 1, Uncertain: 4,
			Seconds: 61.5, Unreadable: []string{"/opt/odd\x1b[1m.so: malformed ELF file"},
		},
		Suppressed: []Suppressed{{Pattern: "libpool\x1b[2J", Stacks: 2, Sum: Sum{4096, 4}}},
		Notes:      []string{"The process ran another program after 3 looks: looks began anew."},
	}
	return r
}

// besideExact is the same where every call is traced.
func besideExact() *Report {
	r := typical()
	r.Heap = beside().Heap
	r.Heap.Unread = "the process has ended"
	r.Heap.Growing = r.Heap.Growing[:2]
	r.Heap.GrowingTotal, r.Heap.Focus = 3, nil
	g := &r.Heap.Growing[0]
	g.AllocatedBy = []HeapSource{{ID: r.Stacks[0].ID, Blocks: 12, Frames: r.Stacks[0].Frames}}
	g.Traced = 12
	r.Heap.Growing = append(r.Heap.Growing, r.Heap.Growing[1])
	r.Heap.Growing[2].Checked = 0
	for i := range r.Heap.Growing {
		r.Heap.Growing[i].SeenEverySeconds = 0
	}
	return r
}

// unread is where the heap could not be looked at.
func unread() *Report {
	r := typical()
	r.Heap = &HeapBeside{Unread: "process 4242 (sessiond): only heaps of glibc's malloc can be read: jemalloc\x1b[2J"}
	return r
}
