package proc

import (
	"encoding/binary"
	"os"

	"memtrace/tracer/process/procmem"
)

// pagesAtOnce is how many words of pagemap are read at a time.
const pagesAtOnce = 4096

// space returns the address space that the process has had since its mappings were last read,
// or nil if it cannot be opened.
func (p *Process) space() *procmem.Memory {
	if p.memory == nil {
		p.memory, _ = procmem.OpenIn(p.dir) // the process may be gone
	}
	return p.memory
}

func (p *Process) closeMemory() {
	if p.memory != nil {
		_ = p.memory.Close() // it was only read
		p.memory = nil
	}
}

// Read implements region.Source. It leaves memory alone that was never touched: such memory
// holds nothing, and reading it would make the kernel add page tables to the process.
func (p *Process) Read(addr uint64, b []byte) bool {
	m := p.space()
	if m == nil {
		return false
	}
	spans := []procmem.Span{{Addr: addr, Buf: b}}
	m.Read(spans)
	return spans[0].OK
}

// Present implements region.Source.
func (p *Process) Present(start, end uint64) (bytes, anonymous uint64, ok bool) {
	m := p.space()
	if m == nil {
		return 0, 0, false
	}
	size := uint64(os.Getpagesize())
	buf := make([]byte, 8*min(pagesAtOnce, (end-start)/size))
	for addr := start; addr < end; {
		n := m.Pages(addr, buf[:8*min(pagesAtOnce, (end-addr)/size)])
		if n == 0 {
			return 0, 0, false
		}
		for i := range n {
			if page := procmem.Page(binary.LittleEndian.Uint64(buf[8*i:])); page.Resident() {
				bytes += size
				if !page.OfFile() {
					anonymous += size
				}
			}
		}
		addr += uint64(n) * size
	}
	return bytes, anonymous, true
}
