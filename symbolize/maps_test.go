package symbolize

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"memtrace/symbolize/procmaps"
)

func TestParseMaps(t *testing.T) {
	const maps = `55d0c1f29000-55d0c1f2a000 r--p 00000000 fe:01 1234                       /usr/bin/app
55d0c1f2a000-55d0c1f40000 r-xp 00001000 fe:01 1234                       /usr/bin/app
7f0a00000000-7f0a00021000 rwxp 00000000 00:00 0
7f0a10026000-7f0a1017b000 r-xp 00026000 103:02 77 /opt/a b\012c.so (deleted)
7f0a20000000-7f0a20001000 rwxs 00000000 00:01 2058                       /memfd:jit (deleted)
7f0a30000000-7f0a30001000 r-xp 00000000 00:00 0                          [anon:v8]
this is no mapping
7ffd1a5f2000-7ffd1a5f4000 r-xp 00000000 00:00 0                          [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
`
	got, total, err := parseMaps(strings.NewReader(maps))
	want := []mapsEntry{
		{0x55d0c1f2a000, 0x55d0c1f40000, 0x1000, unix.Mkdev(0xfe, 1), 1234, "/usr/bin/app"},
		{start: 0x7f0a00000000, end: 0x7f0a00021000},
		{0x7f0a10026000, 0x7f0a1017b000, 0x26000, unix.Mkdev(0x103, 2), 77, "/opt/a b\nc.so (deleted)"},
		{0x7f0a20000000, 0x7f0a20001000, 0, unix.Mkdev(0, 1), 2058, "/memfd:jit (deleted)"},
		{start: 0x7f0a30000000, end: 0x7f0a30001000, path: "[anon:v8]"},
		{start: 0x7ffd1a5f2000, end: 0x7ffd1a5f4000, path: "[vdso]"},
		{start: 0xffffffffff600000, end: 0xffffffffff601000, path: "[vsyscall]"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(mapsEntry{})); diff != "" {
		t.Errorf("mappings (-want +got):\n%s", diff)
	}
	if total != 9 || !errors.Is(err, procmaps.ErrLine) || !strings.Contains(err.Error(), "this is no mapping") {
		t.Errorf("total %d, error %v", total, err)
	}
	if got[2].name() != "/opt/a b\nc.so" || !got[2].fileBacked() || got[1].fileBacked() || got[5].fileBacked() {
		t.Error("names or kinds of mappings are wrong")
	}
}

func TestVanishedRegions(t *testing.T) {
	a, b := &module{}, &module{}
	at := func(start, end, offset uint64, m *module) *region {
		return &region{mapsEntry: mapsEntry{start: start, end: end, offset: offset}, module: m}
	}
	p := &Process{}
	forget := func(gone ...*region) {
		known := make(map[mapsEntry]*region)
		for _, r := range gone {
			known[r.mapsEntry] = r
		}
		p.remember(known)
	}
	first := at(0x1000, 0x3000, 0, a)
	forget(first, at(0x9000, 0xa000, 0, nil))
	if p.regionOf(0x2000) != first || len(p.vanished) != 1 {
		t.Fatalf("vanished: %v", p.vanished)
	}
	// Another library is mapped at the same place: the later one counts.
	second := at(0x2000, 0x4000, 0, b)
	forget(second)
	if p.regionOf(0x2000) != second || p.regionOf(0x1000) != first {
		t.Error("the later of two vanished mappings does not win")
	}
	// The first library is back, in two parts.
	p.live = []*region{at(0x1000, 0x2000, 0, a), at(0x2000, 0x3000, 0x1000, a)}
	forget()
	if len(p.vanished) != 1 || p.vanished[0] != second || p.regionOf(0x2000) != p.live[1] || p.regionOf(0x3000) != second {
		t.Errorf("vanished: %+v", p.vanished)
	}
}
