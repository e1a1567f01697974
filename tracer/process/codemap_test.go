package process

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"memtrace/symbolize/procmaps"

	"memtrace/tracer/testsupport/testprog"
)

// Asking for the changed ranges gives the same result as listing everything.
func TestCodeMapByRanges(t *testing.T) {
	const pages, page = 24, 4096
	file, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	area, err := unix.MmapPtr(-1, 0, nil, pages*page, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	base := uint64(uintptr(area))
	code, err := newCodeMap(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer code.Close()
	if code.query == nil {
		testprog.Missing(t, "this kernel does not tell of single mappings")
	}
	random := rand.New(rand.NewPCG(7, 11))
	for step := range 3000 {
		first := random.Uint64N(pages)
		r := addresses{base + first*page, base + (first+1+random.Uint64N(pages-first))*page}
		size, at := uintptr(r.end-r.start), uintptr(r.start)
		// Matching offsets let the kernel merge what was mapped piece by piece.
		offset := first * page
		protection := uintptr(unix.PROT_READ | unix.PROT_EXEC)
		switch random.IntN(4) {
		case 0:
			// The Go runtime would soon map something into a hole. This is other memory, too.
			must(t, unix.SYS_MMAP, at, size, unix.PROT_NONE, unix.MAP_SHARED|unix.MAP_ANONYMOUS|unix.MAP_FIXED, ^uintptr(0), 0)
		case 1:
			must(t, unix.SYS_MMAP, at, size, protection, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED, ^uintptr(0), 0)
		default:
			must(t, unix.SYS_MMAP, at, size, protection, unix.MAP_PRIVATE|unix.MAP_FIXED, file.Fd(), uintptr(offset))
		}
		before := code.list
		changed, err := code.update(&codeChange{ranges: []addresses{r}})
		if err != nil {
			t.Fatal(err)
		}
		if changed == slices.Equal(before, code.list) {
			t.Fatalf("step %d: changed %v, which is wrong", step, changed)
		}
		whole := &codeMap{pid: code.pid}
		if err := whole.readAll(); err != nil {
			t.Fatal(err)
		}
		if got, want := within(code.list, base, pages*page), within(whole.list, base, pages*page); !slices.Equal(got, want) {
			t.Fatalf("step %d, %x: known %v, listed %v", step, r, got, want)
		}
	}
}

func within(list []procmaps.Mapping, start, size uint64) (in []procmaps.Mapping) {
	for i := range list {
		if (addresses{start, start + size}).overlaps(&list[i]) {
			in = append(in, list[i])
		}
	}
	return in
}

func must(t *testing.T, number uintptr, args ...uintptr) {
	t.Helper()
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		t.Fatal(errno)
	}
}

// A page that loses the right to be executed and gets it back changes nothing. Changes at more
// places than are looked at one by one cause a full listing.
func TestCodeMapOfCompilers(t *testing.T) {
	area, err := unix.MmapPtr(-1, 0, nil, 1<<16, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	code, err := newCodeMap(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer code.Close()
	at := uintptr(area) + 8*4096 // at the edge it could merge with a neighbour
	update := func(protection uintptr) bool {
		must(t, unix.SYS_MPROTECT, at, 4096, protection)
		changed, err := code.update(&codeChange{ranges: []addresses{{uint64(at), uint64(at) + 4096}}})
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	if !update(unix.PROT_READ | unix.PROT_EXEC) {
		t.Error("the page is not known to be executable")
	}
	if code.query != nil && (update(unix.PROT_READ|unix.PROT_WRITE) || update(unix.PROT_READ|unix.PROT_EXEC)) {
		t.Error("a page that is written to and executed in turn changes what is mapped")
	}
	var many codeChange
	for i := range uint64(mostRanges) {
		many.add(addresses{i, i + 1})
		many.add(addresses{i, i + 1})
	}
	if many.all || len(many.ranges) != mostRanges {
		t.Errorf("%d ranges, all %v", len(many.ranges), many.all)
	}
	many.add(addresses{mostRanges, mostRanges + 1})
	if !many.all {
		t.Error("one more range is not the whole")
	}
}
