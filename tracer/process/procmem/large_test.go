package procmem

import (
	"bytes"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestReadPages reads a mapping of the test's own, in which only some pages were written to.
func TestReadPages(t *testing.T) {
	page := os.Getpagesize()
	const pages = 3000
	own, err := unix.Mmap(-1, 0, pages*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(own) }()
	if err := unix.Madvise(own, unix.MADV_NOHUGEPAGE); err != nil {
		t.Fatal(err)
	}
	there := func(i int) bool { return i%7 == 3 || i > 500 && i < 900 }
	for i := range pages {
		if there(i) {
			own[i*page+i%page] = byte(i%250 + 1)
		}
	}
	m, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	addr := uint64(uintptr(unsafe.Pointer(&own[0])))
	buf, states := bytes.Repeat([]byte{0xff}, pages*page), make([]State, pages)
	m.ReadPages(addr, buf, states)
	for i := range pages {
		if got := states[i] == Resident; got != there(i) {
			t.Fatalf("page %d: %v", i, states[i])
		}
	}
	again := make([]State, pages)
	m.States(addr, again)
	if !bytes.Equal(buf, own) { // this touches the absent pages
		t.Error("other contents")
	}
	for i := range again {
		if again[i] != states[i] {
			t.Fatalf("reading made page %d %v", i, again[i])
		}
	}
}

func TestNextThere(t *testing.T) {
	page := uint64(os.Getpagesize())
	const pages = 100000
	own, err := unix.Mmap(-1, 0, pages*int(page), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(own) }()
	if err := unix.Madvise(own, unix.MADV_NOHUGEPAGE); err != nil {
		t.Fatal(err)
	}
	own[70000*page+5] = 1
	m, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	start := uint64(uintptr(unsafe.Pointer(&own[0])))
	end := start + pages*page
	for from, want := range map[uint64]uint64{
		start:                  start + 70000*page,
		start + 8:              start + 70000*page,
		start + 70000*page + 9: start + 70000*page + 9,
		start + 70001*page:     end,
	} {
		if got := m.NextThere(from, end); got != want && !m.noScan {
			t.Errorf("behind page %d: page %d, want %d", (from-start)/page, (got-start)/page, (want-start)/page)
		}
	}
	if got := m.NextThere(start, start+50*page); got != start+50*page && !m.noScan {
		t.Errorf("%#x", got)
	}
}
