package region

import (
	"fmt"
	"testing"
	"time"
)

// filesAt is an address space with one mapping of each kind; kb of each were touched.
func filesAt(kb int) string {
	entry := func(line string, rss, anonymous, huge int) string {
		return fmt.Sprintf("%s\nRss: %d kB\nAnonymous: %d kB\nPrivate_Hugetlb: %d kB\n", line, rss, anonymous, huge)
	}
	return entry("100000-200000 rw-p 00000000 08:01 7    /srv/image", 64+kb, kb, 0) +
		entry("200000-300000 rw-s 00000000 08:01 7    /srv/image", kb, 0, 0) +
		entry("300000-400000 r--p 00000000 08:01 8    /srv/table", kb, 0, 0) +
		entry("400000-500000 rw-s 00000000 00:01 9    /memfd:a (deleted)", kb, 0, 0) +
		entry("500000-600000 rw-p 00000000 00:01 9    /memfd:a (deleted)", 64+kb, kb, 0) +
		entry("600000-800000 rw-s 00000000 00:11 10    /anon_hugepage (deleted)", 0, 0, 2048) +
		entry("900000-a00000 rw-p 00000000 00:00 0", kb, kb, 0)
}

// A file's pages are not the process's own, but for those that it has copied by writing.
func TestOwnMemory(t *testing.T) {
	f := &fake{maps: filesAt(100)}
	s := NewSampler(f, Config{Known: func() []Range {
		var list []Range
		for i := range uint64(9) {
			list = append(list, Range{Start: 0x100000 * (i + 1), End: 0x100000 * (i + 2), Keep: true, Origin: i + 1})
		}
		return list
	}})
	poll(t, s, 0)
	snap := snapshot(t, s, 1)
	for class, want := range map[Class]uint64{File: 100 << 10, Shared: 200<<10 + 2<<20, Mmap: 100 << 10} {
		if got := snap.Classes[class].Own; got != want {
			t.Errorf("%v has %d bytes of its own, want %d", class, got, want)
		}
	}
	if got := snap.Classes[File].Resident; got != 364<<10 {
		t.Errorf("files have %d bytes in memory", got)
	}
	const size = 1 << 20
	for at, want := range map[Mapped]Extent{
		{1, File}: {Virtual: size, Usable: size, Own: 100 << 10}, {2, File}: {Virtual: size}, {3, File}: {Virtual: size},
		{4, Shared}: {Virtual: size, Usable: size, Own: 100 << 10}, {5, Shared}: {Virtual: size, Usable: size, Own: 100 << 10},
		{9, Mmap}: {Virtual: size, Usable: size, Own: 100 << 10},
	} {
		got := snap.Mapped[at]
		if got.Virtual != want.Virtual || got.Usable != want.Usable || got.Own != want.Own {
			t.Errorf("%+v: %+v, want %+v", at, got, want)
		}
	}
}

// Memory that is touched in mappings which stay as they are grows beyond doubt, by class and by
// origin, and sizes are read again only where something has grown, and may cost it.
func TestOwnMemoryGrows(t *testing.T) {
	f := &fake{}
	f.cost = time.Millisecond
	s := NewSampler(f, Config{Share: 0.01, Known: func() []Range {
		return []Range{{Start: 0x400000, End: 0x500000, Keep: true, Origin: 4}}
	}})
	for i := range 12 {
		f.maps, f.rss = filesAt(70*i), uint64(5*70*i)<<10
		poll(t, s, float64(i))
	}
	snap := snapshot(t, s, 12)
	if fit := snap.Classes[Shared].OwnFit; !fit.Growing() || snap.Classes[Shared].Fit.Growing() {
		t.Errorf("shared memory: own %+v, addresses %+v", fit, snap.Classes[Shared].Fit)
	}
	if fit := snap.Mapped[Mapped{4, Shared}].Fit; fit == nil || !fit.Growing() || fit.Slope < 60<<10 || fit.Slope > 80<<10 {
		t.Errorf("the memfd: %+v, want some 70 KiB/s", fit)
	}
	if snap.Classes[Mmap].Fit.Growing() || !snap.Classes[Mmap].OwnFit.Growing() || snap.Classes[File].OwnGrowth != 770<<10 {
		t.Errorf("anonymous memory %+v, files %+v", snap.Classes[Mmap], snap.Classes[File])
	}

	quiet := NewSampler(f, Config{Share: 0.01})
	for i := range 12 {
		poll(t, quiet, float64(i))
	}
	if n := quiet.own[Shared].Fit().N; n != 12 {
		t.Errorf("%d of 12 looks count where nothing grows", n)
	}
	f.cost = 2 * mostCost
	costly := NewSampler(f, Config{Share: -1})
	for i := range 12 {
		f.rss += 1 << 20
		f.maps = filesAt(i)
		poll(t, costly, float64(i))
	}
	if n := costly.own[Shared].Fit().N; n > 2 {
		t.Errorf("%d looks that cost too much", n)
	}
}
