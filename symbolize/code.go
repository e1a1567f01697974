package symbolize

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// maxCodes bounds how many mappings are known by an ID.
const maxCodes = 1 << 13

// Code is a file that the process has mapped as code.
type Code struct {
	// ID is what the caller calls it, from FirstID on. The same ID stands for the same file at
	// the same place.
	ID uint64
	// Start and End are addresses, End is exclusive. Offset is where the mapping starts in the
	// file, in bytes.
	Start, End, Offset uint64
	// Dev and Inode are as in /proc/PID/maps. Generation tells the file from others that had
	// its inode, on file systems that number these; it is 0 if it is not known.
	Dev, Inode, Generation uint64
	// Path is below the process's root directory, "" if it is not known.
	Path string
}

// The IDs that stand for no Code.
const (
	// InitialCode is what was mapped before anything was told by AddCode.
	InitialCode = iota
	// GeneratedCode is in no file.
	GeneratedCode
	// UnknownCode is in a file of which nothing was told.
	UnknownCode
	// FirstID is the first ID that may be a Code's.
	FirstID
)

// AddCode tells of a file that the process has mapped, maybe only for a moment: the mappings
// need not be read while it is there. The file is opened by its path. Addresses in it can be
// resolved by its ID from then on, until maxCodes others were added.
func (p *Process) AddCode(c *Code) { p.addCode(c, nil) }

// addCode is AddCode. known is what is known of the file without asking for it, nil if nothing is.
// Its file is taken over if it is needed.
func (p *Process) addCode(c *Code, known *module) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.codes[c.ID] != nil {
		return
	}
	if len(p.codeOrder) >= maxCodes {
		p.dropOldestCodes()
	}
	r := &region{mapsEntry: mapsEntry{start: c.Start, end: c.End, offset: c.Offset, dev: c.Dev, inode: c.Inode, path: c.Path}}
	r.module = p.moduleOfCode(r, c.Generation, known)
	p.codes[c.ID] = r
	p.codeOrder = append(p.codeOrder, c.ID)
	p.codeAtPlace[r.place()] = r
	for _, l := range p.live {
		p.adopt(l)
	}
}

// Inherit makes known what was told of the parent's code: a child that was forked runs in it. What
// the parent holds open needs no path, which may lead elsewhere by now. No file system is asked.
func (p *Process) Inherit(parent *Process) {
	codes := parent.toldCodes()
	for i := range codes {
		p.addCode(&codes[i].Code, codes[i].known)
	}
	for i := range codes {
		codes[i].known.drop()
	}
}

// toldCode is a Code and what is known of its file.
type toldCode struct {
	Code
	known *module
}

// toldCodes returns what AddCode told, oldest first. Codes of one file share what is known.
func (p *Process) toldCodes() (list []toldCode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := make(map[*module]*module)
	for _, id := range p.codeOrder {
		r := p.codes[id]
		m := known[r.module]
		if m == nil {
			m = r.module.again()
			known[r.module] = m
		}
		list = append(list, toldCode{Code{
			ID: id, Start: r.start, End: r.end, Offset: r.offset,
			Dev: r.dev, Inode: r.inode, Generation: r.module.generation, Path: r.path,
		}, m})
	}
	return list
}

// again returns a module with the same file, if that is open, and what is known of it, but nothing
// that was read from it.
func (m *module) again() *module {
	other := &module{id: m.id, seen: m.seen, failed: m.failed}
	if m.file == nil {
		return other
	}
	if file, err := m.file.Dup(); err == nil {
		other.file = &regular{file, m.file.id}
	}
	return other
}

// dropOldestCodes makes room for others.
func (p *Process) dropOldestCodes() {
	for _, id := range p.codeOrder[:maxCodes/8] {
		r := p.codes[id]
		if delete(p.codes, id); p.codeAtPlace[r.place()] == r {
			delete(p.codeAtPlace, r.place())
		}
	}
	p.codeOrder = slices.Delete(p.codeOrder, 0, maxCodes/8)
	p.dropUnused()
}

// moduleOfCode returns the module of a Code's region, and opens its file if it is new, unless it is
// known.
func (p *Process) moduleOfCode(r *region, generation uint64, known *module) *module {
	key := moduleKey{r.dev, r.inode, generation}
	m := p.modules[key]
	if m == nil {
		m = p.modules[moduleKey{r.dev, r.inode, 0}]
		if m == nil || m.file == nil || !m.file.isGeneration(generation) {
			m = &module{entry: r.mapsEntry, generation: generation, cache: make(map[uint64][]level)}
		}
		p.modules[key] = m
	}
	if m.file == nil && !m.loaded {
		if known == nil {
			p.openRoot()
			known = p.openUnlisted(&r.mapsEntry, generation)
			defer known.drop()
		}
		m.take(p, known)
	}
	return m
}

// openUnlisted opens a Code's file by its path. If that fails, it may still be found in a listing.
func (p *Process) openUnlisted(e *mapsEntry, generation uint64) *module {
	if e.path == "" {
		return new(module)
	}
	file, err := openPath(p.root, e, generation)
	if err != nil {
		return &module{failed: err}
	}
	return &module{file: file, id: file.id, seen: true}
}

// take takes over what is known of the module's file.
func (m *module) take(p *Process, known *module) {
	m.failed = known.failed
	if known.seen {
		m.id, m.seen = known.id, true
	}
	if known.file != nil && p.open < maxOpenFiles {
		m.file, known.file = known.file, nil
		p.open++
	}
}

// drop closes a file that was not taken over.
func (m *module) drop() {
	if m.file != nil {
		m.file.Close()
		m.file = nil
	}
}

// place is where a file is mapped: the same address means the same in all regions of a place.
type place struct{ dev, inode, bias uint64 }

func (e *mapsEntry) place() place { return place{e.dev, e.inode, e.start - e.offset} }

// adopt makes a Code use what the listing found of it: the very file, also where it has no path
// any more, and the path as it is seen from here.
func (p *Process) adopt(listed *region) {
	code := p.codeAtPlace[listed.place()]
	if code == nil || listed.module == nil {
		return
	}
	if code.module.file == nil && !code.module.loaded && listed.module.file != nil && listed.module.file.isGeneration(code.module.generation) {
		code.module = listed.module
	}
	if code.module == listed.module {
		code.path = listed.path
	}
}

// unlisted returns the Codes that were used and that no listing has shown.
func (p *Process) unlisted() (codes []*region) {
	listed := make(map[place]bool)
	for _, regions := range [][]*region{p.live, p.vanished} {
		for _, r := range regions {
			listed[r.place()] = true
		}
	}
	for _, id := range p.codeOrder {
		if r := p.codes[id]; r.module.elf != nil && !listed[r.place()] {
			codes = append(codes, r)
		}
	}
	return codes
}

// codeAt returns the region of an address in the code with an ID, nil if it is not known.
func (p *Process) codeAt(id, addr uint64) *region {
	switch id {
	case InitialCode:
		return p.initialAt(addr)
	case GeneratedCode:
		if r := p.liveAt(addr); r != nil && r.module == nil {
			return r
		}
		return &region{mapsEntry: mapsEntry{start: addr, end: addr + 1, offset: addr}}
	case UnknownCode:
		return p.regionOf(addr)
	}
	r := p.codes[id]
	if r == nil || addr < r.start || addr >= r.end {
		return nil
	}
	return r
}

// initialAt returns what was mapped at an address before any Code: what is known there and is no
// Code or, if the same file came back as one, what was known there first.
func (p *Process) initialAt(addr uint64) *region {
	isCode := func(r *region) bool { return p.codeAtPlace[r.place()] != nil }
	last := p.regionOf(addr)
	if last == nil || !isCode(last) {
		return last
	}
	first := last
	for i := len(p.vanished) - 1; i >= 0; i-- {
		r := p.vanished[i]
		if addr < r.start || addr >= r.end {
			continue
		}
		if !isCode(r) {
			return r
		}
		if r.order < first.order {
			first = r
		}
	}
	return first
}

// notRead is the module of code of which nothing was read while it was there.
const notRead = "[unloaded, not read]"

// ResolveIn is Resolve of a return address in the code with an ID: an address means something
// else in each library that was mapped there.
func (p *Process) ResolveIn(id, returnAddress uint64) []Frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	pc := max(returnAddress, 1) - 1
	r := p.codeAt(id, pc)
	if r == nil && id >= FirstID {
		return []Frame{{Address: returnAddress, Offset: returnAddress, Module: notRead}}
	}
	return p.resolve(r, returnAddress, pc)
}

// unread notes why the file of a Code was not opened.
func (p *Process) unread(m *module) {
	err := m.failed
	if errors.Is(err, os.ErrNotExist) {
		err = errors.New("unloaded, and deleted or replaced, before it was read")
	}
	p.problem(strings.TrimSuffix(m.entry.path, deletedSuffix), fmt.Errorf("open mapped file: %w", err))
}

// FileIn returns which file is mapped at an address in the code with an ID, and the offset in it. The
// path is "" if there is none.
func (p *Process) FileIn(id, addr uint64) (path string, offset uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.codeAt(id, addr)
	if r == nil || r.module == nil {
		return "", 0
	}
	return strings.TrimSuffix(r.path, deletedSuffix), addr - r.start + r.offset
}
