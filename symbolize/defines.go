package symbolize

import (
	"bytes"
	"io"
)

// maxNames is the size in bytes of the largest table of names that is searched.
const maxNames = 64 << 20

// Defines reports whether a mapped file has a function of that name, by its symbols or those of
// its debug file. path is the file's, as Frame.Module has it.
func (p *Process) Defines(path, function string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, list := range [][]*region{p.live, p.vanished} {
		for _, r := range list {
			if r.module != nil && limitName(r.name()) == path && r.module.isELF(p) {
				r.module.loadSymbols(p)
				return r.module.symbols.defines(function)
			}
		}
	}
	return false
}

// defines reports whether there is a function symbol of that name.
func (t *symbolTable) defines(name string) bool {
	for i, table := range t.strings {
		if table.Size() > maxNames {
			continue
		}
		names, err := io.ReadAll(io.NewSectionReader(table, 0, table.Size()))
		if err != nil {
			continue
		}
		// The end of a longer name may stand for a name.
		offsets := make(map[uint32]bool)
		whole := append([]byte(name), 0)
		for at := 0; ; at++ {
			n := bytes.Index(names[at:], whole)
			if n < 0 {
				break
			}
			at += n
			offsets[uint32(at)] = true
		}
		for _, s := range t.symbols {
			if int(s.table) == i && offsets[s.name] {
				return true
			}
		}
	}
	return false
}
