package census

import (
	"encoding/binary"
	"math/bits"
	"os"

	"memtrace/tracer/process/procmem"
)

// memory is what a census reads.
type memory interface {
	// ReadPages is that of procmem.Memory.
	ReadPages(addr uint64, buf []byte, states []procmem.State)
	// NextThere is that of procmem.Memory.
	NextThere(addr, end uint64) uint64
}

var (
	pageSize  = uint64(os.Getpagesize())
	pageShift = bits.TrailingZeros64(pageSize)
)

// windowBytes is how much a walk reads at once.
const windowBytes = 256 << 10

// window is a piece of memory that was read.
type window struct {
	mem    memory
	start  uint64
	buf    []byte
	states []procmem.State
	there  []bool
	// bytes is how much was read in all, in fills pieces.
	bytes uint64
	fills int
}

func newWindow(mem memory, size uint64) *window {
	n := (size + pageSize - 1) / pageSize
	return &window{
		mem: mem,
		buf: make([]byte, n*pageSize), states: make([]procmem.State, n), there: make([]bool, 0, n),
	}
}

// fill reads the memory from an address's page on, until the window or the memory at limit ends.
func (w *window) fill(addr, limit uint64) {
	w.start = addr &^ (pageSize - 1)
	n := uint64(1)
	if limit > addr {
		n = min((limit-w.start+pageSize-1)/pageSize, uint64(len(w.states)))
	}
	w.mem.ReadPages(w.start, w.buf[:n*pageSize], w.states[:n])
	w.there = w.there[:n]
	for i, s := range w.states[:n] {
		w.there[i] = s == procmem.Resident
	}
	w.bytes += n * pageSize
	w.fills++
}

// forget makes that nothing counts as read.
func (w *window) forget() { w.there = w.there[:0] }

// holds reports whether an address is in the window, there or not.
func (w *window) holds(addr uint64) bool { return (addr-w.start)>>pageShift < uint64(len(w.there)) }

// at returns the 16 bytes at an address that is a multiple of 16, or nil.
func (w *window) at(addr uint64) []byte {
	off := addr - w.start
	if page := off >> pageShift; page >= uint64(len(w.there)) || !w.there[page] {
		return nil
	}
	return w.buf[off : off+16 : off+16]
}

// words returns the two words at an address.
func (w *window) words(addr uint64) (first, second uint64, ok bool) {
	b := w.at(addr)
	if b == nil {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), true
}

// chunk returns the header of a chunk and the first two words of its block, zeros where they are not
// there. ok is false if the header is not there, or the window ends behind it.
func (w *window) chunk(addr uint64) (before, head, link, key uint64, ok bool) {
	off := addr - w.start
	if page := off >> pageShift; page >= uint64(len(w.there)) || !w.there[page] {
		return 0, 0, 0, 0, false
	}
	if off&(pageSize-1)+2*header <= pageSize {
		b := w.buf[off : off+2*header : off+2*header]
		return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]),
			binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:]), true
	}
	before, head, ok = w.words(addr)
	link, key, _ = w.words(addr + header)
	return before, head, link, key, ok && w.holds(addr+header)
}

// peek is words for an address that may lie outside of the window.
func (w *window) peek(addr uint64) (first, second uint64, ok bool) {
	if !w.holds(addr) {
		w.fill(addr, addr+16)
	}
	return w.words(addr)
}

// state returns what there is of a page in the window.
func (w *window) state(addr uint64) procmem.State { return w.states[(addr-w.start)/pageSize] }

// isZero reports whether a page in the window has nothing but zeros.
func (w *window) isZero(page uint64) bool {
	for _, b := range w.buf[page-w.start:][:pageSize] {
		if b != 0 {
			return false
		}
	}
	return true
}

// behind returns the address of the next page that may be there, behind one in the window that is
// not, up to an end.
func (w *window) behind(addr, end uint64) uint64 {
	next := addr&^(pageSize-1) + pageSize
	if w.holds(next) {
		return min(next, end)
	}
	return w.mem.NextThere(next, end)
}
