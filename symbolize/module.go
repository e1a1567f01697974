package symbolize

import (
	"cmp"
	"errors"
	"fmt"
	"io"

	"memtrace/symbolize/elffile"
	"memtrace/symbolize/gotable"
	"memtrace/symbolize/internal/srcinfo"
)

// maxCached bounds the addresses whose names a module caches.
const maxCached = 1 << 16

// module is a mapped file. It is opened when its mapping is first seen, and read when the
// first address falls into it.
type module struct {
	entry mapsEntry // its first mapping
	file  *regular  // nil if not open
	id    fileID    // of the file when it was first opened
	seen  bool      // id is set
	// generation is that of a Code's file, failed why it could not be opened by its path.
	generation uint64
	failed     error

	// Set by load.
	loaded  bool
	elf     *elffile.File  // nil if there is none to read
	gnuID   string         // build ID, hexadecimal
	symbols *symbolTable   // nil before the first lookup
	info    *srcinfo.Data  // nil where there is none
	askedGo bool           // golang was looked for
	golang  *gotable.Table // nil where there is none
	debug   *regular       // separate debug file, if any

	// cache has the names that are not in Options.Names. own says that none are from here: that
	// they are from a debug file in the process's own root, or that something could not be read,
	// such as once the process's budget was spent. Another process may see more.
	cache map[uint64][]level
	own   bool
}

// level is a Frame before its module is added.
type level struct {
	function, file string
	line           int
	inline         bool
}

// newModule opens the file behind a mapping. If that is not possible now, it returns a module
// without a file.
func (p *Process) newModule(e *mapsEntry) *module {
	m := &module{entry: *e, cache: make(map[uint64][]level)}
	if p.open >= maxOpenFiles {
		// The inode may be reused before the file is opened: at least record its size and
		// time.
		if file, err := openMapped(p.proc, p.root, e, 0); err == nil {
			m.id, m.seen = file.id, true
			file.Close()
		}
		return m
	}
	m.reopen(p)
	return m
}

// reopen opens the module's file if it is still the same.
func (m *module) reopen(p *Process) {
	file, err := openMapped(p.proc, p.root, &m.entry, m.generation)
	if err != nil {
		p.problem(m.entry.path, fmt.Errorf("open mapped file: %w", err))
		return
	}
	if m.seen && file.id != m.id {
		file.Close()
		p.problem(m.entry.path, errors.New("file has changed since it was mapped"))
		return
	}
	m.file, m.id, m.seen = file, file.id, true
	p.open++
}

func (m *module) close(p *Process) {
	for _, f := range []**regular{&m.file, &m.debug} {
		if *f != nil {
			(*f).Close()
			p.open--
			*f = nil
		}
	}
	m.elf, m.info, m.golang, m.askedGo, m.symbols = nil, nil, nil, false, nil
}

// load reads the ELF headers once.
func (m *module) load(p *Process) {
	if m.loaded {
		return
	}
	m.loaded = true
	switch {
	case m.file != nil:
	case m.failed != nil:
		p.unread(m)
	default:
		m.reopen(p)
	}
	if m.file != nil {
		m.parse(p, m.file, m.id.size)
	}
}

func (m *module) parse(p *Process, r io.ReaderAt, size int64) {
	m.loaded = true
	f, err := elffile.Open(r, size, p.budget)
	if err != nil {
		if !errors.Is(err, elffile.ErrNotELF) { // it may be memory for generated code
			p.problem(m.entry.path, err)
		}
		return
	}
	m.elf, m.gnuID = f, f.BuildID()
}

// isELF reports whether the module's file could be read as an ELF file.
func (m *module) isELF(p *Process) bool {
	m.load(p)
	return m.elf != nil
}

func (m *module) buildID(p *Process) string {
	m.load(p)
	return m.gnuID
}

// loadSymbols reads all sources of names once.
func (m *module) loadSymbols(p *Process) {
	if m.symbols != nil {
		return
	}
	defer m.noteFailures(p, p.failures)
	m.symbols = newSymbolTable(m.elf, p.budget)
	note := func(err error) {
		if err != nil {
			p.problem(m.entry.path, err)
		}
	}
	withInfo := m.elf
	if debug := p.findDebugFile(m); debug != nil {
		note(m.symbols.add(debug))
		if debug.Section(".debug_info") != nil {
			withInfo = debug
		}
	}
	note(m.symbols.add(m.elf))
	note(m.symbols.addMini(m.elf))
	m.symbols.finish()
	info, err := srcinfo.Open(withInfo, m.elf.Executable, p.budget)
	if err == nil {
		m.info = info
	} else if !errors.Is(err, srcinfo.ErrNoInfo) {
		note(err)
	}
}

// lookup returns the calls in progress at an address of the file, innermost first. There is at
// least one.
func (m *module) lookup(p *Process, vaddr uint64) []level {
	if levels, ok := m.cache[vaddr]; ok {
		return levels
	}
	if levels, ok := p.opt.Names.of(m.id, vaddr); ok && m.seen {
		return levels
	}
	m.loadSymbols(p)
	levels := m.resolve(p, vaddr)
	if p.opt.Names != nil && m.seen && !m.own && levels[0].function != "" {
		p.opt.Names.put(m.id, vaddr, levels)
		return levels
	}
	if len(m.cache) >= maxCached {
		clear(m.cache)
	}
	m.cache[vaddr] = levels
	return levels
}

// noteFailures makes names the process's own if something failed since there were so many failures.
func (m *module) noteFailures(p *Process, before int) { m.own = m.own || p.failures > before }

func (m *module) resolve(p *Process, vaddr uint64) []level {
	defer m.noteFailures(p, p.failures)
	symbol := m.symbols.lookup(vaddr)
	var calls []srcinfo.Call
	if m.info != nil {
		var err error
		if calls, err = m.info.Lookup(vaddr); err != nil {
			p.problem(m.entry.path, err)
		}
	}
	if len(calls) == 0 {
		if levels := m.resolveGo(p, vaddr); len(levels) > 0 {
			return levels
		}
		return []level{{function: DisplayName(symbol)}}
	}
	levels := make([]level, len(calls))
	for i, c := range calls {
		name := c.Name
		switch {
		case name == "" || isMangled(c.LinkageName):
			name = cmp.Or(c.LinkageName, name)
		case !c.Inline && isMangled(symbol):
			// A lambda, for example, has the plain name "operator()".
			name = symbol
		}
		if name == "" && !c.Inline {
			name = symbol
		}
		levels[i] = level{function: DisplayName(name), file: limitName(c.File), line: c.Line, inline: c.Inline}
	}
	return levels
}

// resolveGo asks the table of a Go program, which has names and lines when all else is stripped.
// It is read when it is first needed.
func (m *module) resolveGo(p *Process, vaddr uint64) (levels []level) {
	if !m.askedGo {
		m.askedGo = true
		golang, err := gotable.Open(m.elf, p.budget)
		if err == nil {
			m.golang = golang
		} else if !errors.Is(err, gotable.ErrNone) {
			p.problem(m.entry.path, err)
		}
	}
	if m.golang == nil {
		return nil
	}
	for _, c := range m.golang.Lookup(vaddr) {
		levels = append(levels, level{function: limitName(c.Name), file: limitName(c.File), line: c.Line, inline: c.Inline})
	}
	return levels
}
