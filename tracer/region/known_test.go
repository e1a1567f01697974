package region

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKnownRanges(t *testing.T) {
	f := &fake{maps: `10000-20000 rw-p 00000000 00:00 0  [heap]
100000-110000 rw-p 00000000 00:00 0
200000-201000 rw-p 00000000 fe:01 9  /usr/lib/libc.so.6
300000-310000 ---p 00000000 00:00 0
`}
	ranges := []Range{
		{Start: 0x18000, End: 0x19000, Class: MallocMmap},
		{Start: 0x0ff000, End: 0x101000, Class: Arena},
		{Start: 0x101000, End: 0x104000, Class: Mmap, Origin: 7},
		{Start: 0x10f000, End: 0x301000, Class: ThreadStack, Origin: 9},
	}
	s := NewSampler(f, Config{Known: func() []Range { return ranges }})
	poll(t, s, 0)
	poll(t, s, 1)
	same(t, `
	10000-18000 brk 1
	18000-19000 malloc_mmap 1
	19000-20000 brk 1
	100000-101000 arena 0
	101000-104000 mmap 1 by 7
	104000-10f000 mmap 1
	10f000-110000 thread_stack 1 by 9
	200000-201000 library 1
	300000-301000 thread_stack 0 reserved by 9
	301000-310000 mmap 1 reserved
	`, describe(s))
	ranges = nil
	poll(t, s, 2)
	if got := len(s.view.segments); got != 4 {
		t.Errorf("%d segments when nothing is known any more", got)
	}
}

// A caller that knows only who mapped addresses leaves their class as found: the stack of a
// thread, a chunk of malloc. Nobody is the one who mapped a heap.
func TestKnownOrigins(t *testing.T) {
	f := &fake{
		maps: `10000-20000 rw-p 00000000 00:00 0  [heap]
100000-101000 ---p 00000000 00:00 0
101000-110000 rw-p 00000000 00:00 0
1fe000-203000 rw-p 00000000 00:00 0
203000-204000 r--p 00000000 00:00 0
`,
		stacks: []StackAddress{{Addr: 0x10f000, Certain: true}},
		memory: map[uint64][]uint64{0x1fe000: {0, 0x1002}, 0x1ff000: {0, 0x1002}, 0x200000: {0, 0x1002}},
	}
	s := NewSampler(f, Config{Known: func() []Range {
		return []Range{
			{Start: 0x18000, End: 0x20000, Keep: true, Origin: 5},
			{Start: 0x100000, End: 0x110000, Keep: true, Origin: 7},
			{Start: 0x200000, End: 0x204000, Keep: true, Origin: 9},
		}
	}})
	poll(t, s, 0)
	same(t, `
	10000-20000 brk 1
	100000-101000 thread_stack 0 reserved by 7
	101000-110000 thread_stack 1 by 7
	1fe000-200000 malloc_mmap 2
	200000-201000 malloc_mmap 1 by 9
	201000-203000 mmap 1 by 9
	203000-204000 mmap 1 by 9
	`, describe(s))
	want := map[Mapped]Extent{{5, Arena}: {Virtual: 0x8000}, {7, ThreadStack}: {Virtual: 0x10000, Usable: 0xf000}, {9, MallocMmap}: {Virtual: 0x1000, Usable: 0x1000}, {9, Mmap}: {Virtual: 0x3000, Usable: 0x3000}}
	if diff := cmp.Diff(want, s.Last().Mapped); diff != "" {
		t.Errorf("mapped (-want +got):\n%s", diff)
	}
}
