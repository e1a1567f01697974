package symbolize

import "strings"

// maxNames is the size in bytes of the largest table of names that is searched.
const maxNames = 64 << 20

// Defines returns the first of some names that is a function's of a mapped file, by its symbols or
// those of its debug file, "" if none is. path is the file's, as Frame.Module has it.
func (p *Process) Defines(path string, names ...string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, list := range [][]*region{p.live, p.vanished, p.unlisted()} {
		for _, r := range list {
			if r.module != nil && !p.leavesOut(r.module) && limitName(r.name()) == path && r.module.isELF(p) {
				r.module.loadSymbols(p)
				return r.module.symbols.defines(names)
			}
		}
	}
	return ""
}

// defines returns the first of the names that a function symbol has, "" if there is none. It reads
// all names at once: there may be millions.
func (t *symbolTable) defines(names []string) string {
	first := len(names)
	for i, table := range t.strings {
		if table.Size() > maxNames || t.budget.Work(uint64(table.Size())) != nil {
			continue
		}
		text := make([]byte, table.Size())
		if _, err := table.ReadAt(text, 0); err != nil {
			continue
		}
		for _, s := range t.symbols {
			if int(s.table) != i || int(s.name) >= len(text) {
				continue
			}
			for n, name := range names[:first] {
				if isName(text[s.name:], name) {
					first = n
					break
				}
			}
		}
	}
	if first == len(names) {
		return ""
	}
	return names[first]
}

// isName reports whether a text begins with a name, which ends there or has a version behind it.
func isName(text []byte, name string) bool {
	if len(text) < len(name) || string(text[:len(name)]) != name {
		return false
	}
	return len(text) == len(name) || strings.IndexByte("\x00@", text[len(name)]) >= 0
}
