package symbolize

import (
	"cmp"
	"slices"
	"sort"
)

// region is an executable mapping and the module in it.
type region struct {
	mapsEntry
	module *module // nil for code that belongs to no file
	order  uint64  // higher than that of regions that were listed before
}

// moduleKey identifies a file by its device and inode in maps. A module keeps its file open,
// so that the inode number cannot be reused. The generation is that of a Code, which may be gone
// before its file is opened, and 0 for what is listed.
type moduleKey struct{ dev, inode, generation uint64 }

// sameCode reports whether addresses mean the same in both regions.
func (r *region) sameCode(other *region) bool {
	return other != nil && r.module == other.module && r.start-r.offset == other.start-other.offset
}

// regionOf returns the region that is mapped at an address, or was mapped there last.
func (p *Process) regionOf(addr uint64) *region {
	if r := p.liveAt(addr); r != nil {
		return r
	}
	for i := len(p.vanished) - 1; i >= 0; i-- {
		if r := p.vanished[i]; addr >= r.start && addr < r.end {
			return r
		}
	}
	return nil
}

func (p *Process) liveAt(addr uint64) *region {
	i := sort.Search(len(p.live), func(i int) bool { return p.live[i].end > addr })
	if i < len(p.live) && addr >= p.live[i].start {
		return p.live[i]
	}
	return nil
}

// moduleFor returns the module behind a mapping, or nil. The module may already be mapped
// elsewhere.
func (p *Process) moduleFor(e *mapsEntry) *module {
	if e.path == vdsoName {
		if p.vdso == nil {
			p.vdso = p.readVDSO(e)
		}
		return p.vdso
	}
	if !e.fileBacked() {
		return nil
	}
	key := moduleKey{e.dev, e.inode, 0}
	m := p.modules[key]
	if m == nil {
		if code := p.codeAtPlace[e.place()]; code != nil && code.module.file != nil {
			m = code.module
		} else {
			m = p.newModule(e)
		}
		p.modules[key] = m
	}
	return m
}

// remember keeps the regions in gone. It drops remembered regions that are mapped again, whole
// or in parts: mprotect splits and joins mappings.
func (p *Process) remember(gone map[mapsEntry]*region) {
	first := len(p.vanished)
	for _, r := range gone {
		if r.module != nil {
			p.vanished = append(p.vanished, r)
		}
	}
	slices.SortFunc(p.vanished[first:], func(a, b *region) int { return cmp.Compare(a.start, b.start) })
	p.vanished = slices.DeleteFunc(p.vanished, func(r *region) bool {
		start, end := p.liveAt(r.start), p.liveAt(r.end-1)
		if !r.sameCode(start) || !r.sameCode(end) {
			return false
		}
		start.order = min(start.order, r.order)
		end.order = min(end.order, r.order)
		return true
	})
	if over := len(p.vanished) - maxVanished; over > 0 {
		p.vanished = slices.Delete(p.vanished, 0, over)
	}
}

// dropUnused closes modules that no mapping refers to.
func (p *Process) dropUnused() {
	used := make(map[*module]bool, len(p.modules))
	for _, r := range p.live {
		used[r.module] = true
	}
	for _, r := range p.vanished {
		used[r.module] = true
	}
	for _, r := range p.codes {
		used[r.module] = true
	}
	for key, m := range p.modules {
		if !used[m] {
			m.close(p)
			delete(p.modules, key)
		}
	}
}
