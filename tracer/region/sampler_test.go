package region

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// watch polls n times, a second apart, each time after change has set the maps, and then takes
// a snapshot.
func watch(t *testing.T, f *fake, n int, change func(i int)) *Snapshot {
	t.Helper()
	s := NewSampler(f, Config{})
	for i := range n {
		change(i)
		poll(t, s, float64(i))
	}
	return snapshot(t, s, float64(n))
}

// brkMaps returns an address space with a heap of this many bytes.
func brkMaps(heap int) string {
	return fmt.Sprintf("1000-2000 r-xp 00000000 fe:01 12  /usr/bin/app\n10000000-%x rw-p 00000000 00:00 0  [heap]\n7000000000-7000010000 rw-p 00000000 00:00 0  [stack]\n",
		0x10000000+heap)
}

const noGrowth = "No steady growth."

func TestVerdicts(t *testing.T) {
	const chunk = 2*mib + 4096
	top := 0x7f0000000000
	tests := map[string]struct {
		change       func(f *fake, i int)
		want, answer string
	}{
		"brk": {
			func(f *fake, i int) { f.maps, f.rss = brkMaps(132*kib*(1+i)), uint64(132*kib*i) },
			"The brk heap grows 132.0 KiB/s. Resident memory grows 132.0 KiB/s.",
			"grows 132.0 KiB/s, most in the brk heap",
		},
		"brk, not touched": {
			func(f *fake, i int) { f.maps = brkMaps(132 * kib * (1 + i)) },
			"The brk heap grows 132.0 KiB/s. Resident memory does not grow.",
			"does not grow in memory, only in addresses: the brk heap by 132.0 KiB/s",
		},
		"mmaps of malloc, joined": {
			func(f *fake, i int) {
				start := uint64(top - (i+1)*chunk)
				f.maps = fmt.Sprintf("%x-%x rw-p 00000000 00:00 0\n", start, top)
				f.memory[start] = []uint64{0, chunk | isMmapped}
			},
			"Malloc's mmaps grow 2.0 MiB/s in segments of 2.0 MiB. Resident memory does not grow.",
			"does not grow in memory, only in addresses: malloc's mmaps by 2.0 MiB/s",
		},
		"mmaps of the program, joined": {
			// Three or four come between polls.
			func(f *fake, i int) {
				f.maps = fmt.Sprintf("%x-%x rw-p 00000000 00:00 0\n", top-7*i/2*512*kib-4096, top)
			},
			"Anonymous mmaps grow 1.8 MiB/s in segments of 512.0 KiB. Resident memory does not grow.",
			"does not grow in memory, only in addresses: anonymous mmaps by 1.8 MiB/s",
		},
		"mmaps of many sizes": {
			func(f *fake, i int) {
				f.maps = ""
				for k := range i + 1 {
					f.maps += fmt.Sprintf("%x-%x rw-p 00000000 00:00 0\n", top+k*16*mib, top+k*16*mib+mib+k*4096)
				}
			},
			"Anonymous mmaps grow 1.0 MiB/s in segments of 1.0 MiB to 1.1 MiB. Resident memory does not grow.",
			"does not grow in memory, only in addresses: anonymous mmaps by 1.0 MiB/s",
		},
		"thread arena": {
			func(f *fake, i int) {
				n := uint64(132 * kib * (i + 1))
				f.maps = fmt.Sprintf("7f0000000000-%x rw-p 00000000 00:00 0\n%x-7f0004000000 ---p 00000000 00:00 0\n", uint64(top)+n, uint64(top)+n)
				f.memory[uint64(top)] = []uint64{uint64(top) + 48, 0, n, n}
			},
			"Thread arenas grow 132.0 KiB/s. Resident memory does not grow.",
			"does not grow in memory, only in addresses: thread arenas by 132.0 KiB/s",
		},
		"resident": {
			func(f *fake, i int) { f.maps, f.rss = brkMaps(mib), uint64(i*4096) },
			"Resident memory grows 4.0 KiB/s, where memory was mapped before.",
			"grows 4.0 KiB/s",
		},
		"addresses only": {
			func(f *fake, i int) { f.maps = fmt.Sprintf("%x-7f0000000000 ---p 00000000 00:00 0\n", top-(i+1)*mib) },
			noGrowth,
			"does not grow: resident memory is as large as at the start",
		},
		"nothing":  {func(f *fake, _ int) { f.maps = brkMaps(mib) }, noGrowth, "does not grow: resident memory is as large as at the start"},
		"sawtooth": {func(f *fake, i int) { f.maps = brkMaps(mib * (1 + (i+1)%5)) }, noGrowth, "does not grow: resident memory is as large as at the start"},
		"one step": {
			func(f *fake, i int) { f.maps = brkMaps(mib * (1 + i/10)) },
			"No steady growth. The brk heap is 1.0 MiB larger than at the start.",
			"does not grow: resident memory is as large as at the start",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := &fake{memory: make(map[uint64][]uint64)}
			snap := watch(t, f, 20, func(i int) { tt.change(f, i) })
			if got := snap.Verdict(); got != tt.want {
				t.Errorf("verdict %q, want %q", got, tt.want)
			}
			if got := snap.Answer(); got != tt.answer {
				t.Errorf("answer %q, want %q", got, tt.answer)
			}
			if grows := !strings.HasPrefix(tt.want, noGrowth); snap.Grows() != grows {
				t.Errorf("grows: %v", snap.Grows())
			}
			if snap.Virtual != snap.StatmVirtual || len(snap.notes()) > 0 {
				t.Errorf("virtual %d, by statm %d, notes %q", snap.Virtual, snap.StatmVirtual, snap.notes())
			}
		})
	}
}

func TestTooShort(t *testing.T) {
	f := &fake{}
	snap := watch(t, f, 3, func(i int) { f.maps = brkMaps(mib * (i + 1)) })
	if got := snap.Verdict(); got != "Too short to tell growth: 4 of the 6 looks it takes." {
		t.Error(got)
	}
	if got := snap.Answer(); got != "was watched for 3.0 s, too short to tell: 4 of the 6 looks it takes" || snap.Grows() {
		t.Error(got)
	}
}

func TestGrowingSegments(t *testing.T) {
	f := &fake{}
	snap := watch(t, f, 20, func(i int) {
		f.maps = ""
		for k := range i + 1 { // one that grows, and small ones that are added to it
			f.maps += fmt.Sprintf("%x-%x rw-p 00000000 00:00 0\n", 0x7e0000000000+k*mib, 0x7e0000000000+k*mib+4096)
		}
		f.maps += fmt.Sprintf("7f0000000000-%x rw-p 00000000 00:00 0\n", 0x7f0000000000+(i+1)*mib)
	})
	if len(snap.Growing) != 20 || snap.GrowingTotal != 20 {
		t.Fatalf("%d of %d segments", len(snap.Growing), snap.GrowingTotal)
	}
	if g := snap.Growing[0]; g.Start != 0x7f0000000000 || g.Then != mib || g.Now != 20*mib {
		t.Errorf("the largest is %+v", g)
	}
	if g := snap.Growing[1]; g.Then != 0 || g.Now != 4096 {
		t.Errorf("the next is %+v", g)
	}
}

// smapsText is maps with resident sizes.
func smapsText(rss ...int) string {
	var b strings.Builder
	for i, n := range rss {
		fmt.Fprintf(&b, "%x-%x rw-p 00000000 00:00 0\nRss: %d kB\n", (i+1)<<24, (i+1)<<24+0x4000, n/kib)
	}
	return b.String()
}

// The resident bytes of a mapping are all shared among its segments.
func TestResident(t *testing.T) {
	for _, tc := range []struct {
		present    map[uint64]uint64
		malloc     uint64
		anonymous  uint64
		whatIsMost string
	}{
		{map[uint64]uint64{1 << 24: 0x1000}, 0x1000, 0x2000, "pages say"},
		{map[uint64]uint64{1 << 24: 0x9000}, 0x3000, 0, "pages say too much"},
		{nil, 0, 0x3000, "no pages"},
	} {
		f := &fake{maps: smapsText(12 * kib), memory: map[uint64][]uint64{1 << 24: {0, 0x1002}}, present: tc.present}
		s := NewSampler(f, Config{})
		poll(t, s, 0)
		snap := snapshot(t, s, 1)
		if a, b := snap.Classes[MallocMmap].Resident, snap.Classes[Mmap].Resident; a != tc.malloc || b != tc.anonymous {
			t.Errorf("%s: malloc %d, others %d; want %d, %d", tc.whatIsMost, a, b, tc.malloc, tc.anonymous)
		}
		if snap.Resident != 12*kib {
			t.Errorf("%s: %d in all", tc.whatIsMost, snap.Resident)
		}
	}
}

func TestProcessEnds(t *testing.T) {
	f := &fake{maps: smapsText(8*kib, 4*kib)}
	s := NewSampler(f, Config{})
	for i := range 10 {
		poll(t, s, float64(i))
	}
	f.err = ErrGone
	if err := s.Poll(at(10)); !errors.Is(err, ErrGone) {
		t.Fatalf("polling a process that has ended: %v", err)
	}
	snap := snapshot(t, s, 11)
	if !snap.Gone || snap.Polls != 10 || snap.Resident != 12*kib || !snap.End.Equal(at(9)) {
		t.Errorf("%+v", snap)
	}
	m := snap.Report()
	if m.Complete || len(m.Notes) != 1 || !strings.Contains(m.Notes[0], "partial") || m.Verdict != "No steady growth." {
		t.Errorf("%+v", m)
	}
}

func TestSmapsUnreadable(t *testing.T) {
	for _, err := range []error{ErrNotPermitted, errors.New("input/output error")} {
		f := &fake{maps: brkMaps(mib), smaps: err}
		snap := watch(t, f, 10, func(int) {})
		m := snap.Report()
		if m.Complete || m.ResidentKnown || len(m.Notes) != 1 || !strings.Contains(m.Notes[0], "partial") {
			t.Errorf("%v: %+v", err, m)
		}
		if m.VirtualBytes != m.StatmVirtualBytes || m.VirtualBytes == 0 {
			t.Errorf("%v: virtual %d, by statm %d", err, m.VirtualBytes, m.StatmVirtualBytes)
		}
	}
}

func TestExec(t *testing.T) {
	f := &fake{}
	snap := watch(t, f, 20, func(i int) {
		f.facts.Program = uint64(i / 10)
		f.maps = brkMaps(mib * (1 + i/10*100))
	})
	if !snap.Restarted || snap.Polls != 11 || !snap.Start.Equal(at(10)) || snap.Verdict() != "No steady growth." {
		t.Errorf("%+v: %s", snap, snap.Verdict())
	}
}

// Expensive polls are made less often; the totals are read anyway.
func TestShareOfProcessor(t *testing.T) {
	f := &fake{maps: brkMaps(mib), cost: 30 * time.Millisecond}
	s := NewSampler(f, Config{Share: 0.01})
	for i := range 31 {
		poll(t, s, float64(i))
	}
	if f.scanned != 11 {
		t.Errorf("the mappings were read %d times, want 11", f.scanned)
	}
	if fit := s.resident.Fit(); fit.N != 31 {
		t.Errorf("statm was read %d times, want 31", fit.N)
	}
}

// A million mappings are counted in bounded memory.
func TestMillionMappings(t *testing.T) {
	const n = 1000003
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%x-%x rw-p 00000000 00:00 0\n", (2*i+1)<<12, (2*i+2)<<12)
	}
	f := &fake{maps: b.String(), virtual: n * 4096}
	s := NewSampler(f, Config{})
	poll(t, s, 0)
	if got := cap(s.now.segments); got > 2*maxSegments {
		t.Errorf("room for %d segments", got)
	}
	snap := snapshot(t, s, 1)
	if st := snap.Classes[Mmap]; st.Count != n || st.Virtual != n*4096 || !snap.Truncated {
		t.Errorf("%+v", st)
	}
	if fit := snap.Classes[Mmap].Fit; fit.Change != 0 || fit.N != 2 {
		t.Errorf("%+v", fit)
	}
}

func TestClassAt(t *testing.T) {
	s := NewSampler(&fake{maps: brkMaps(132 * kib), facts: Facts{Exe: "/usr/bin/app"}}, Config{})
	if _, ok := s.ClassAt(0x10000000); ok {
		t.Error("a class before the first poll")
	}
	poll(t, s, 0)
	for addr, want := range map[uint64]Class{
		0x1000: Text, 0x1fff: Text, 0x10000000: Brk, 0x10000000 + 132*kib - 1: Brk, 0x7000000000: MainStack,
	} {
		if got, ok := s.ClassAt(addr); !ok || got != want {
			t.Errorf("%#x: %v, %v, want %v", addr, got, ok, want)
		}
	}
	for _, addr := range []uint64{0, 0x2000, 0x10000000 + 132*kib, 0x7000010000} {
		if got, ok := s.ClassAt(addr); ok {
			t.Errorf("%#x: %v, where nothing is", addr, got)
		}
	}
}
