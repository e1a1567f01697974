package focus

import (
	"errors"
	"fmt"

	"memtrace/symbolize/callsites"
	"memtrace/symbolize/elffile"
	"memtrace/tracer/probe"
	"memtrace/tracer/process/procmem"
	"memtrace/tracer/process/target"
)

// state is what was decided about a place.
type state uint8

const (
	idle    state = iota
	probed        // a probe is there
	often         // windows have seen it met too often
	hot           // its probe met it too often
	refused       // the kernel puts no probe there, or the code there is not that of the file
)

// site is a place in the process behind a call of an allocation function.
type site struct {
	callsites.Site
	module *module
	addr   uint64
	// asked is how many bytes the call asks for, if that is a constant.
	asked uint64
	known bool
	state state
	// hits is how often it was met, and base how often when the period began.
	hits, base, lost uint64
}

func (s *site) met() uint64 { return s.hits - min(s.base, s.hits) }

func (s *site) place(pid int) probe.Return { return probe.Return{PID: uint32(pid), Addr: s.addr} }

// module is a mapping of a file as code, with the places that are in it.
type module struct {
	target.Module
	sites    []*site
	doubtful int
	cut      bool
}

// key tells mappings apart: after an exec, or when a library is loaded again, all are others.
type key struct {
	file  target.FileID
	start uint64
}

func keyOf(m *target.Module) key { return key{m.File, m.Start} }

// maxMissing bounds how many files are named that could not be read.
const maxMissing = 8

// refresh finds the places in what was mapped since the last time, and forgets those in what is mapped
// no more. It returns the modules that went.
func (f *Focus) refresh() (gone []*module, err error) {
	list, err := f.cfg.Target.Modules()
	if err != nil {
		return nil, err
	}
	there := make(map[key]*module)
	for i := range list {
		m := &list[i]
		if !m.Probable() {
			continue
		}
		k := keyOf(m)
		if there[k] = f.modules[k]; there[k] == nil {
			there[k] = f.open(m)
		}
		if f.ctx.Err() != nil {
			return nil, f.ctx.Err()
		}
	}
	for k, m := range f.modules {
		if there[k] == nil {
			gone = append(gone, m)
		}
	}
	f.modules, f.order = there, f.order[:0]
	for i := range list {
		if m := there[keyOf(&list[i])]; m != nil {
			f.order = append(f.order, m)
		}
	}
	return gone, nil
}

// open finds the places in a module.
func (f *Focus) open(from *target.Module) *module {
	m := &module{Module: *from}
	found, err := find(f.cfg.Target, from)
	if err != nil {
		if len(f.unread) < maxMissing {
			f.unread = append(f.unread, fmt.Sprintf("%s: %v", from.Path, err))
		}
		return m
	}
	m.doubtful, m.cut = found.Doubtful, found.Cut
	for _, c := range found.Sites {
		addr, ok := from.Addr(c.Offset)
		if !ok {
			continue
		}
		s := &site{Site: c, module: m, addr: addr}
		s.asked, s.known = target.Asked(c.Name, func(number int) (uint64, bool) {
			if number > len(c.Args) {
				return 0, false
			}
			return c.Args[number-1].Value, c.Args[number-1].Known
		})
		m.sites = append(m.sites, s)
	}
	return m
}

// find finds the calls in a module's file. What such a file says must not end memtrace.
func find(t *target.Target, m *target.Module) (found *callsites.Found, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("look for calls: %v", p)
		}
	}()
	image, err := t.OpenModule(m)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, image.Close()) }()
	file, err := elffile.Open(image, image.Size, elffile.NewFileBudget())
	if err != nil {
		return nil, err
	}
	return callsites.Find(file, target.Returning)
}

// unchanged leaves those of the sites where the process's memory has the code of the file: another tool
// may have put something else there. What is not in memory is as in the file.
func (f *Focus) unchanged(sites []*site) (kept []*site) {
	mem, err := procmem.Open(f.cfg.Target.PID)
	if err != nil {
		return nil
	}
	defer func() { _ = mem.Close() }() // it was only read
	spans := make([]procmem.Span, len(sites))
	for i, s := range sites {
		spans[i] = procmem.Span{Addr: s.addr, Buf: make([]byte, len(s.Code))}
	}
	mem.Read(spans)
	for i, s := range sites {
		if spans[i].Absent || spans[i].OK && string(spans[i].Buf) == s.Code {
			kept = append(kept, s)
			continue
		}
		s.state = refused
	}
	return kept
}
