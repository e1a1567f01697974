package region

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// describe returns the segments in words, one a line.
func describe(s *Sampler) string {
	var b strings.Builder
	for _, seg := range s.view.segments {
		fmt.Fprintf(&b, "%x-%x %v %d", seg.Start, seg.End, seg.Class, seg.Items)
		if seg.Reserved {
			b.WriteString(" reserved")
		}
		if seg.Origin != 0 {
			fmt.Fprintf(&b, " by %d", seg.Origin)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func classified(t *testing.T, f *fake) string {
	t.Helper()
	s := NewSampler(f, Config{})
	poll(t, s, 0)
	first := describe(s)
	poll(t, s, 1)
	if diff := cmp.Diff(first, describe(s)); diff != "" {
		t.Errorf("the second poll finds something else (-first +second):\n%s", diff)
	}
	return first
}

// same reports the differences, ignoring indentation.
func same(t *testing.T, want, got string) {
	t.Helper()
	want = strings.ReplaceAll(strings.TrimLeft(want, "\n"), "\t", "")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("segments (-want +got):\n%s", diff)
	}
}

func TestFilesByName(t *testing.T) {
	f := &fake{
		facts: Facts{Exe: "/usr/bin/app", Dev: unix.Mkdev(0xfe, 1), Inode: 77, Tmpfs: map[uint64]bool{unix.Mkdev(0, 0x1a): true}},
		maps: `1000-2000 r--p 00000000 fe:01 12  /usr/bin/app
2000-3000 r-xp 00000000 fe:01 12  /usr/bin/app
3000-4000 rw-p 00000000 fe:01 12  /usr/bin/app
4000-6000 rw-p 00000000 00:00 0
8000-9000 r-xp 00000000 fe:01 77  /other/name/of/the/file
10000-11000 rw-p 00000000 00:00 0  [heap]
20000-21000 r--p 00000000 fe:01 13  /opt/plugin
21000-22000 r-xp 00001000 fe:01 13  /opt/plugin
22000-23000 rw-p 00001000 fe:01 13  /opt/plugin
23000-24000 rw-p 00000000 00:00 0
30000-31000 r--p 00000000 fe:01 14  /usr/lib/libc.so.6
31000-32000 ---p 00000000 fe:01 14  /usr/lib/libc.so.6
40000-41000 r--s 00000000 fe:01 15  /usr/share/data
41000-42000 rw-s 00000000 00:1a 16  /run/app/state
42000-43000 rw-s 00000000 00:01 17  /memfd:x (deleted)
43000-44000 rw-s 00000000 00:01 17  /SYSV00000000 (deleted)
44000-45000 rw-s 00000000 00:01 17  /dev/zero (deleted)
45000-46000 rw-s 00000000 00:1b 17  /dev/shm/x
46000-47000 rw-s 00000000 00:06 17  /dev/dri/card0
47000-48000 rw-s 00000000 00:0f 17  anon_inode:[perf_event]
48000-49000 rw-p 00000000 00:10 17  /anon_hugepage (deleted)
49000-4a000 rw-s 00000000 00:00 0  [anon_shmem:x]
4a000-4b000 rw-p 00000000 00:00 0  [anon:v8]
4b000-4c000 rw-s 00000000 00:12 17  /[aio] (deleted)
4c000-4d000 rw-p 00000000 00:00 0  [anon: glibc: malloc]
4d000-4e000 rw-p 00000000 00:00 0  [anon: glibc: pthread stack: 9]
4e000-4f000 rw-p 00000000 00:00 0  [stack:9]
50000-60000 rw-p 00000000 00:00 0  [stack]
60000-61000 r--p 00000000 00:00 0  [vvar]
61000-62000 r-xp 00000000 00:00 0  [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]
`,
	}
	same(t, `
	1000-2000 text 1
	2000-3000 text 1
	3000-4000 data 1
	4000-6000 data 0
	8000-9000 text 1
	10000-11000 brk 1
	20000-21000 library 1
	21000-22000 library 1
	22000-23000 library 1
	23000-24000 library 0
	30000-31000 library 1
	31000-32000 library 1 reserved
	40000-41000 file 1
	41000-42000 shared 1
	42000-43000 shared 1
	43000-44000 shared 1
	44000-45000 shared 1
	45000-46000 shared 1
	46000-47000 other 1
	47000-48000 other 1
	48000-49000 mmap 1
	49000-4a000 shared 1
	4a000-4b000 mmap 1
	4b000-4c000 other 1
	4c000-4d000 malloc_mmap 1
	4d000-4e000 thread_stack 1
	4e000-4f000 thread_stack 1
	50000-60000 main_stack 1
	60000-61000 vdso 1
	61000-62000 vdso 1
	`, classified(t, f))
}

func TestChunks(t *testing.T) {
	f := &fake{
		maps: `100000-104000 rw-p 00000000 00:00 0
200000-203000 rw-p 00000000 00:00 0
300000-301000 rw-p 00000000 00:00 0
400000-401000 rw-p 00000000 00:00 0
500000-502000 rw-p 00000000 00:00 0
600000-602000 rwxp 00000000 00:00 0
700000-702000 rw-s 00000000 00:01 9  /dev/zero (deleted)
800000-802000 rw-p 00000000 00:00 0  [anon:jit]
`,
		memory: map[uint64][]uint64{
			0x100000: {0, 0x1002}, 0x101000: {0, 0x2002}, 0x103000: {0, 7}, // two chunks, and something else
			0x200000: {0, 0x3ff2 - 0x1000}, // a chunk of glibc 2.43
			0x300000: {0, 0x2002},          // larger than the mapping
			0x400000: {0, 0x1003},          // another flag besides
			0x500000: {16, 0x2002},         // an offset, which the first header does not have
			0x600000: {0, 0x2002},
			0x700000: {0, 0x2002},
			0x800000: {0, 0x2002},
		},
	}
	same(t, `
	100000-103000 malloc_mmap 2
	103000-104000 mmap 1
	200000-203000 malloc_mmap 1
	300000-301000 mmap 1
	400000-401000 mmap 1
	500000-502000 mmap 1
	600000-602000 malloc_mmap 1
	700000-702000 shared 1
	800000-802000 mmap 1
	`, classified(t, f))
}

func TestArenas(t *testing.T) {
	const first, second, late = 0x7f0000000000, 0x7f0004000000, 0x7f0010000000
	f := &fake{
		maps: `7efffff00000-7f0000021000 rw-p 00000000 00:00 0
7f0000021000-7f0004000000 ---p 00000000 00:00 0
7f0004000000-7f0004001000 rw-p 00000000 00:00 0
7f0004001000-7f0009000000 ---p 00000000 00:00 0
7f0010000000-7f0010021000 rw-p 00000000 00:00 0
7f0010021000-7f0014000000 ---p 00000000 00:00 0
7f0018000000-7f0018021000 rw-p 00000000 00:00 0
7f0018021000-7f001c000000 ---p 00000000 00:00 0
`,
		memory: map[uint64][]uint64{
			first:          {first + 48, 0, 0x21000, 0x21000},
			second:         {first + 48, first, 0x1000, 0x1000},
			late:           {late + 32, 0, 0x21000, 0x21000},
			0x7f0018000000: {0x7f0018000000 + 40, 0, 0x21000, 0x21000}, // no arena there
		},
	}
	same(t, `
	7efffff00000-7f0000000000 mmap 1
	7f0000000000-7f0000021000 arena 1
	7f0000021000-7f0004000000 arena 0 reserved
	7f0004000000-7f0004001000 arena 1
	7f0004001000-7f0008000000 arena 0 reserved
	7f0008000000-7f0009000000 mmap 1 reserved
	7f0010000000-7f0010021000 arena 1
	7f0010021000-7f0014000000 arena 0 reserved
	7f0018000000-7f0018021000 mmap 1
	7f0018021000-7f001c000000 mmap 1 reserved
	`, classified(t, f))
}

func TestStacks(t *testing.T) {
	f := &fake{
		maps: `100000-101000 ---p 00000000 00:00 0
101000-901000 rw-p 00000000 00:00 0
a00000-a01000 ---p 00000000 00:00 0
a01000-1201000 rw-p 00000000 00:00 0
2000000-2800000 rw-p 00000000 00:00 0
3000000-3001000 ---p 00000000 00:00 0
3001000-3010000 rw-p 00000000 00:00 0
4000000-4010000 rw-p 00000000 00:00 0
5000000-5001000 ---p 00000000 00:00 0
5001000-5011000 rw-p 00000000 00:00 0
`,
		stacks: []StackAddress{
			{0x900700, true},   // guard below
			{0x27fff00, true},  // no guard, as with glibc 2.42
			{0x23fff00, true},  // no guard, and joined with another
			{0x3008000, false}, // a stack pointer above a guard
			{0x4008000, false}, // a stack pointer into other memory
		},
	}
	// The second stack is that of an ended thread: it has the sizes of the first.
	same(t, `
	100000-101000 thread_stack 0 reserved
	101000-901000 thread_stack 1
	a00000-a01000 thread_stack 0 reserved
	a01000-1201000 thread_stack 1
	2000000-2800000 thread_stack 2
	3000000-3001000 thread_stack 0 reserved
	3001000-3010000 thread_stack 1
	4000000-4010000 mmap 1
	5000000-5001000 mmap 1 reserved
	5001000-5011000 mmap 1
	`, classified(t, f))
}

// A stack remains a stack when its thread ends. Memory joined to a bss is not bss.
func TestClassesFromBefore(t *testing.T) {
	f := &fake{
		maps: `1000-2000 rw-p 00000000 fe:01 12  /usr/lib/libc.so.6
2000-3000 rw-p 00000000 00:00 0
100000-200000 rw-p 00000000 00:00 0
`,
		stacks: []StackAddress{{0x1ff000, true}},
	}
	s := NewSampler(f, Config{})
	poll(t, s, 0)
	f.stacks = nil
	f.maps = strings.Replace(f.maps, "2000-3000", "2000-9000", 1)
	poll(t, s, 1)
	same(t, `
	1000-2000 library 1
	2000-3000 library 0
	3000-9000 mmap 1
	100000-200000 thread_stack 1
	`, describe(s))
	snapshot(t, s, 2)
	if got := s.view.segments[3].Class; got != ThreadStack {
		t.Errorf("read afresh, the stack is %v", got)
	}
}

// Unchanged memory is not read again; chunks that join known ones are.
func TestReadsAreSpared(t *testing.T) {
	f := &fake{
		maps:   "200000-204000 rw-p 00000000 00:00 0\n900000-901000 rw-p 00000000 00:00 0\n",
		memory: map[uint64][]uint64{0x200000: {0, 0x1002}, 0x201000: {0, 0x3002}, 0x1fe000: {0, 0x2002}},
	}
	s := NewSampler(f, Config{})
	poll(t, s, 0)
	f.reads = 0
	poll(t, s, 1)
	if f.reads != 0 {
		t.Errorf("%d reads of what has not changed", f.reads)
	}
	f.maps = "1fe000-204000 rw-p 00000000 00:00 0\n900000-901000 rw-p 00000000 00:00 0\n"
	poll(t, s, 2)
	if f.reads != 1 {
		t.Errorf("%d reads for one chunk more", f.reads)
	}
	same(t, "1fe000-204000 malloc_mmap 3\n900000-901000 mmap 1\n", describe(s))
	// The last chunk is freed.
	f.maps = "1fe000-201000 rw-p 00000000 00:00 0\n900000-901000 rw-p 00000000 00:00 0\n"
	poll(t, s, 3)
	same(t, "1fe000-201000 malloc_mmap 2\n900000-901000 mmap 1\n", describe(s))
	f.reads = 0
	snapshot(t, s, 4)
	if f.reads != 3 {
		t.Errorf("%d reads for a snapshot of 3 places", f.reads)
	}
}

// A chunk that realloc grew in place is still one chunk.
func TestChunkGrowsInPlace(t *testing.T) {
	f := &fake{
		maps: "200000-204000 rw-p 00000000 00:00 0\n",
		memory: map[uint64][]uint64{
			0x200000: {0, 0x1002}, 0x201000: {0, 0x3002}, // two chunks
			0x204000: {}, 0x205000: {},
		},
	}
	s := NewSampler(f, Config{})
	poll(t, s, 0)
	f.maps = "200000-206000 rw-p 00000000 00:00 0\n"
	f.memory[0x201000] = []uint64{0, 0x5002}
	poll(t, s, 1)
	same(t, "200000-206000 malloc_mmap 2\n", describe(s))
	// A chunk that starts where another ended is new.
	f.maps = "200000-207000 rw-p 00000000 00:00 0\n"
	f.memory[0x206000] = []uint64{0, 0x1002}
	poll(t, s, 2)
	same(t, "200000-207000 malloc_mmap 3\n", describe(s))
}
