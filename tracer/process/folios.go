package process

import (
	"memtrace/tracer/book/faults"
	"memtrace/tracer/region/proc"
)

// smallPage is the size assumed for a faulted page if it cannot be found out.
const smallPage = 4096

// SizePages starts asking for the sizes of the pages that faults bring in.
func (g *Group) SizePages() {
	for _, p := range g.procs.all() {
		p.openFolios()
	}
}

// openFolios opens the page sizes of the address space that the process has now.
func (p *Process) openFolios() {
	folios, _ := proc.OpenFolios(p.pid) // on an error pages count as small ones
	p.sizing.Lock()
	old := p.folios
	p.folios = folios
	p.sizing.Unlock()
	if old != nil {
		_ = old.Close() // it was only read
	}
}

func (p *Process) closeFolios() error {
	p.sizing.Lock()
	defer p.sizing.Unlock()
	if p.folios == nil {
		return nil
	}
	f := p.folios
	p.folios = nil
	return f.Close()
}

// pageSize returns the size of the page at an address, 0 if that cannot be told. Soon after a
// fault this is what the fault brought in; later other pages may have been merged with it.
func (p *Process) pageSize(addr uint64) uint64 {
	p.sizing.Lock()
	defer p.sizing.Unlock()
	if p.folios == nil || !p.folios.Present(addr) {
		return 0
	}
	return p.folios.Size(addr)
}

// Present returns the sampled pages that are still in memory. Of a process that has exited,
// all that is known is which pages were not unmapped before. A page whose size was not noted
// when it was faulted in is asked for its size now. Whether it is the process's own is known only
// as long as the process is there.
func (p *Process) Present(sampled []faults.Page, exited bool) (pages []faults.Page) {
	p.sizing.Lock()
	defer p.sizing.Unlock()
	for _, page := range sampled {
		size := uint64(smallPage)
		if !exited && p.folios != nil {
			now := p.folios.Page(page.Addr)
			if !now.Resident() {
				continue
			}
			page.Own = !now.OfFile()
			size = p.folios.Size(page.Addr)
		}
		if page.Bytes == 0 {
			page.Bytes = page.Faults * size
		}
		pages = append(pages, page)
	}
	return pages
}
