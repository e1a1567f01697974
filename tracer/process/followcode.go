package process

import (
	"slices"

	"memtrace/symbolize"
	"memtrace/tracer/event"
)

// mostUnopened bounds the files that wait to be opened for one process, mostTold those that are
// known to have waited before. It is less than what symbolize keeps.
const (
	mostUnopened = 1 << 12
	mostTold     = 1 << 12
)

// codeQueue is the files that a process's program has mapped as code. Those from opened on wait to be
// opened.
type codeQueue struct {
	codes  []symbolize.Code
	opened int
	told   map[event.CodeID]struct{}
}

// codeMapped says that a process has mapped a file. It may be gone again before its mapping can
// be read, so its file is opened by what the event says of it.
func (f *follower) codeMapped(ev *event.Event) {
	id := ev.Mapped()
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.codes[ev.PID]
	if q == nil {
		q = &codeQueue{told: make(map[event.CodeID]struct{})}
		f.codes[ev.PID] = q
	}
	if _, ok := q.told[id]; ok || len(q.codes)-q.opened >= mostUnopened {
		return
	}
	if len(q.told) >= mostTold {
		clear(q.told)
		q.codes, q.opened = slices.Clone(q.codes[q.opened:]), 0
	}
	q.told[id] = struct{}{}
	const page = 4096
	q.codes = append(q.codes, symbolize.Code{
		ID: uint64(id), Start: ev.Addr, End: (ev.Addr + ev.Size + page - 1) &^ (page - 1), Offset: ev.Arg,
		Dev: ev.File.Dev, Inode: ev.File.Inode, Generation: ev.File.Generation, Path: ev.File.Path,
	})
	f.poke()
}

// openCodes opens some of the files that wait, and returns whether others do. Those of a process
// whose new program was not looked at yet have to wait longer.
func (f *follower) openCodes() (more bool) {
	for _, p := range f.g.procs.all() {
		more = f.openSome(uint32(p.pid), p) || more
	}
	return more
}

func (f *follower) openSome(pid uint32, p *Process) (more bool) {
	f.opening.Lock()
	defer f.opening.Unlock()
	const some = 64
	codes, more := f.takeCodes(pid, some)
	for i := range codes {
		p.symbols.AddCode(&codes[i])
	}
	return more
}

func (f *follower) takeCodes(pid uint32, most int) (taken []symbolize.Code, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.codes[pid]
	if _, execed := f.execed[pid]; execed || q == nil {
		return nil, false
	}
	from := q.opened
	q.opened += min(len(q.codes)-from, most)
	return q.codes[from:q.opened:q.opened], q.opened < len(q.codes)
}

// forgetCodes is for a process that has executed another program, before that maps files.
func (f *follower) forgetCodes(pid uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.codes, pid)
}

// newSymbols forgets the names of a process's old program. What was opened of the new one's files,
// while its names were not looked at yet, is opened again.
func (f *follower) newSymbols(p *Process) error {
	f.opening.Lock()
	defer f.opening.Unlock()
	err := p.symbols.Exec()
	f.mu.Lock()
	defer f.mu.Unlock()
	if q := f.codes[uint32(p.pid)]; q != nil {
		q.opened = 0
	}
	return err
}

// OpenCode opens the files that a process has mapped as code so far, so that addresses in them
// have names.
func (g *Group) OpenCode(pid uint32) {
	p := g.procs.of(pid)
	for p != nil && g.follower.openSome(pid, p) {
		continue
	}
}
