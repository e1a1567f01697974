package procmem

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// openOwn opens the pages of the test itself, to be found in the old way or the new one.
func openOwn(t *testing.T, old bool) *OwnPages {
	t.Helper()
	p, err := OpenOwnPages(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	p.old = old
	return p
}

// written maps memory of the test's own of which some pages were written to, and one in a row of them
// only read.
func written(t *testing.T, pages int, there func(i int) bool) []byte {
	t.Helper()
	page := os.Getpagesize()
	own, err := unix.Mmap(-1, 0, pages*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(own) })
	if err := unix.Madvise(own, unix.MADV_NOHUGEPAGE); err != nil {
		t.Fatal(err)
	}
	for i := range pages {
		if there(i) {
			own[i*page+i%page] = byte(i%250 + 1)
		}
	}
	return own
}

// touched keeps reads from being left out.
var touched byte

func addressOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&b[0]))) }

// The two ways to find pages agree.
func TestOwnPages(t *testing.T) {
	page := uint64(os.Getpagesize())
	const pages = 20000 // more than are asked for at once
	there := func(i int) bool { return i%7 == 3 || i > 500 && i < 900 }
	own := written(t, pages, there)
	touched += own[2*page] // the page of zeros is nobody's own
	start := addressOf(own)
	for _, old := range []bool{false, true} {
		p := openOwn(t, old)
		found := make(map[int]bool)
		err := p.Own(start+8, start+pages*page-8, func(from, to uint64, swapped bool) {
			if swapped || from < start+8 || to > start+pages*page-8 {
				t.Fatalf("%#x to %#x, swapped %v", from, to, swapped)
			}
			for at := from &^ (page - 1); at < to; at += page {
				found[int((at-start)/page)] = true
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range pages {
			if found[i] != there(i) && !(old && i == 2) {
				t.Fatalf("old way %v: page %d: %v", old, i, found[i])
			}
		}
	}
}

// Guards are nobody's pages, and not swapped out. The caller can end the search.
func TestOwnPagesGuarded(t *testing.T) {
	page := os.Getpagesize()
	own := written(t, 20, func(i int) bool { return i < 10 })
	const guardInstall = 102 // MADV_GUARD_INSTALL, from Linux 6.13
	if err := unix.Madvise(own[5*page:15*page], guardInstall); err != nil {
		testprog.Missing(t, "no guards: "+err.Error())
	}
	errEnough := errors.New("enough")
	for _, old := range []bool{false, true} {
		p := openOwn(t, old)
		bytes := uint64(0)
		search := func() error {
			return p.Own(addressOf(own), addressOf(own)+uint64(len(own)), func(from, to uint64, swapped bool) {
				if bytes += to - from; swapped && !p.noGuards {
					t.Errorf("old way %v: %d bytes are swapped out", old, to-from)
				}
			})
		}
		if err := search(); err != nil || bytes != uint64(5*page) && !p.noGuards {
			t.Errorf("old way %v: %d bytes, %v", old, bytes, err)
		}
		bytes, p.On = 0, func() error { return errEnough }
		if err := search(); !errors.Is(err, errEnough) || bytes > 0 {
			t.Errorf("old way %v: %d bytes, %v", old, bytes, err)
		}
	}
}

// A copy answers as the process did when it was made, whatever the process does later.
func TestCopy(t *testing.T) {
	page := uint64(os.Getpagesize())
	const pages = 3000
	there := func(i int) bool { return i%5 < 2 && (i < 1000 || i > 2000) }
	own := written(t, pages, there)
	start := addressOf(own)
	m, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c, err := NewCopy(pages * page)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	on := func() error { return nil }
	for i := range uint64(pages) {
		switch at := start + i*page; {
		case there(int(i)) && i == 2500:
			c.Swapped(at, at+page) // as if it were
		case there(int(i)):
			if err := c.Take(m, at, at+page, on); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := bytes.Clone(own)
	clear(want[2500*page:][:page])
	for i := range own {
		own[i] = 0xee
	}
	m.Use(c)
	buf, states := make([]byte, pages*page), make([]State, pages)
	m.ReadPages(start, buf, states)
	if !bytes.Equal(buf, want) {
		t.Error("other contents")
	}
	for i := range pages {
		expected := Absent
		if there(i) {
			expected = Resident
		}
		if i == 2500 {
			expected = Swapped
		}
		if states[i] != expected {
			t.Fatalf("page %d: %v, want %v", i, states[i], expected)
		}
	}
	if got := m.NextThere(start+2*page, start+pages*page); got != start+5*page {
		t.Errorf("page %d comes next", (got-start)/page)
	}
	if got := m.NextThere(start+1001*page, start+pages*page); got != start+2001*page && got != start+2005*page {
		t.Errorf("page %d comes next", (got-start)/page)
	}
	spans := []Span{{Addr: start + page - 4, Buf: make([]byte, 8), Own: true}, {Addr: start + 2*page, Buf: make([]byte, 8)}}
	m.Read(spans)
	if !spans[0].OK || spans[1].OK || !spans[1].Absent || !bytes.Equal(spans[0].Buf, want[page-4:page+4]) {
		t.Errorf("%+v", spans)
	}
	m.Use(nil)
	if m.ReadAt(buf[:8], start); buf[0] != 0xee {
		t.Error("the process itself is not read")
	}
	c.Reset()
	if err := c.Take(m, start, start+(pages+1)*page, on); !errors.Is(err, ErrRoom) {
		t.Errorf("no room: %v", err)
	}
	stop := errors.New("stop")
	if err := c.Take(m, start, start+page, func() error { return stop }); !errors.Is(err, stop) || c.Bytes() != 0 {
		t.Errorf("stopped: %v", err)
	}
}

// Of files unchanged pages are read, as they cannot have been others.
func TestCopyOfFiles(t *testing.T) {
	page := os.Getpagesize()
	name := t.TempDir() + "/file"
	content := bytes.Repeat([]byte("content "), 4*page/8)
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mapped, err := unix.Mmap(int(f.Fd()), 0, 4*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(mapped) }()
	for i := range 4 {
		touched += mapped[i*page]
	}
	start := addressOf(mapped)
	m, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c, err := NewCopy(uint64(page))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	mapped[page] = 'X'
	c.OfFile(start, start+uint64(4*page))
	if err := c.Take(m, start+uint64(page), start+uint64(2*page), func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	mapped[page] = 'Y'
	mapped[3*page] = 'Z' // this was not there then
	m.Use(c)
	buf, states := make([]byte, 4*page), make([]State, 4)
	m.ReadPages(start, buf, states)
	want := bytes.Clone(content)
	want[page] = 'X'
	clear(want[3*page:])
	if !bytes.Equal(buf, want) || states[0] != Resident || states[1] != Resident || states[3] != Absent {
		t.Errorf("states %v, %q", states, buf[:16])
	}
}
