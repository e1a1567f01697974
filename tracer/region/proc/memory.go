package proc

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

const (
	pagePresent = 1 << 63 // of a word of pagemap: in memory
	pageSwapped = 1 << 62
	// pagesAtOnce is how many words of pagemap are read at a time.
	pagesAtOnce = 4096
)

// pages fills words with pagemap's, from the page of addr on.
func (p *Process) pages(addr uint64, words []byte) int {
	if p.pagemap < 0 {
		fd, err := p.open("pagemap")
		if err != nil {
			return 0
		}
		p.pagemap = fd
	}
	n, err := unix.Pread(p.pagemap, words, int64(addr/uint64(os.Getpagesize())*8))
	if err != nil {
		return 0
	}
	return n / 8
}

func (p *Process) closePagemap() {
	if p.pagemap >= 0 {
		_ = unix.Close(p.pagemap)
		p.pagemap = -1
	}
}

// Read implements region.Source. Memory that was never touched is left alone:
// reading it would give the process page tables, and holds nothing.
func (p *Process) Read(addr uint64, b []byte) bool {
	var word [8]byte
	if p.pages(addr, word[:]) == 1 && binary.LittleEndian.Uint64(word[:])&(pagePresent|pageSwapped) == 0 {
		return false
	}
	local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
	remote := []unix.RemoteIovec{{Base: uintptr(addr), Len: len(b)}}
	n, err := unix.ProcessVMReadv(p.PID, local, remote, 0)
	return err == nil && n == len(b)
}

// Present implements region.Source.
func (p *Process) Present(start, end uint64) (bytes uint64, ok bool) {
	size := uint64(os.Getpagesize())
	buf := make([]byte, 8*min(pagesAtOnce, (end-start)/size))
	for addr := start; addr < end; {
		n := p.pages(addr, buf[:8*min(pagesAtOnce, (end-addr)/size)])
		if n == 0 {
			return 0, false
		}
		for i := range n {
			if binary.LittleEndian.Uint64(buf[8*i:])&pagePresent != 0 {
				bytes += size
			}
		}
		addr += uint64(n) * size
	}
	return bytes, true
}
