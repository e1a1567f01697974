package process

import (
	"memtrace/tracer/book/faults"
	"memtrace/tracer/region/proc"
)

// smallPage is what a fault is taken to have brought if that cannot be found out.
const smallPage = 4096

// SizePages has the sizes of pages asked for that faults bring in.
func (g *Group) SizePages() {
	for _, p := range g.procs {
		p.openFolios()
	}
}

// openFolios asks for the sizes of the pages of the address space that the process has now.
func (p *Process) openFolios() {
	folios, _ := proc.OpenFolios(p.pid) // else pages are taken for small ones
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

// pageSize is the size of the page at an address, 0 if that cannot be told. Soon after a
// fault it is what that has brought; later other pages may have been joined with it.
func (p *Process) pageSize(addr uint64) uint64 {
	p.sizing.Lock()
	defer p.sizing.Unlock()
	if p.folios == nil || !p.folios.Present(addr) {
		return 0
	}
	return p.folios.Size(addr)
}

// Present returns those of the sampled pages that are still in memory. Of a process that
// has exited those that were not unmapped before are all that is known. A page that has
// been moved since it was faulted in is asked for its size now.
func (p *Process) Present(sampled []faults.Page, exited bool) (pages []faults.Page) {
	p.sizing.Lock()
	defer p.sizing.Unlock()
	for _, page := range sampled {
		size := uint64(smallPage)
		if !exited && p.folios != nil {
			if !p.folios.Present(page.Addr) {
				continue
			}
			size = p.folios.Size(page.Addr)
		}
		if page.Bytes == 0 {
			page.Bytes = page.Faults * size
		}
		pages = append(pages, page)
	}
	return pages
}
