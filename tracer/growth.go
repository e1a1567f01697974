package tracer

import (
	"errors"
	"fmt"
	"strings"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/event"
	"memtrace/tracer/faults"
	"memtrace/tracer/ptmalloc"
	"memtrace/tracer/region"
	"memtrace/tracer/region/proc"
	"memtrace/tracer/target"
	"memtrace/tracer/vm"
)

func newLedger(cfg Config) *vm.Ledger {
	if cfg.GrowthOnly {
		return vm.NewGrowthLedger()
	}
	return vm.NewLedger()
}

// beginGrowth has a process watched for growth and its page faults.
func (t *Tracer) beginGrowth(pid uint32, p *process) error {
	if t.probes.PageFaults {
		p.faults = &faultWatch{book: faults.New(0)}
		p.faults.reset(int(pid))
	}
	initial, err := readMappedNow(pid)
	if err == nil {
		t.vm.Begin(pid, initial.brk, initial.list)
	}
	return err
}

// mappedNow is what a growth ledger begins with. What a process maps between the reading
// of that and the moment when its events are taken up, some milliseconds at most, is missed.
type mappedNow struct {
	brk  uint64
	list []vm.Initial
}

func readMappedNow(pid uint32) (initial mappedNow, err error) {
	source, err := proc.Open(int(pid))
	if err != nil {
		return mappedNow{}, err
	}
	defer func() { _ = source.Close() }()
	err = source.Maps(func(m *procmaps.Mapping) {
		if m.Inode == 0 && (m.Path == "" || m.Path == "[heap]" || strings.HasPrefix(m.Path, "[anon")) {
			initial.list = append(initial.list, vm.Initial{Start: m.Start, End: m.End, Reserved: m.Perms.None()})
		}
	})
	if errors.Is(err, region.ErrGone) {
		return mappedNow{}, fmt.Errorf("process %d: %w", pid, target.ErrNoProcess)
	}
	if err != nil {
		return mappedNow{}, fmt.Errorf("read the mappings of process %d: %w", pid, err)
	}
	// Without a break its first change tells where it was.
	r, _ := ptmalloc.ReadBrkRange(int(pid))
	initial.brk = r.End
	return initial, nil
}

// faultWatch keeps the sampled page faults of a process, under the Tracer's lock.
// A nil one keeps nothing.
type faultWatch struct {
	book   *faults.Book
	folios *proc.Folios // nil where the process is gone
	// moving is the sizes of what mremap was asked to move, by thread. brk is the
	// break, 0 if unknown.
	moving map[uint32]uint64
	brk    uint64
}

// reset begins anew, with another program's address space.
func (w *faultWatch) reset(pid int) {
	if w == nil {
		return
	}
	_ = w.close()
	w.book.Clear()
	w.moving, w.brk = make(map[uint32]uint64), 0
	w.folios, _ = proc.OpenFolios(pid) // else pages are taken for small ones
}

// eachStack calls f with the stack of every page.
func (w *faultWatch) eachStack(f func(event.StackID)) {
	if w == nil {
		return
	}
	for _, p := range w.book.Pages() {
		f(p.Stack)
	}
}

func (w *faultWatch) close() error {
	if w == nil || w.folios == nil {
		return nil
	}
	f := w.folios
	w.folios = nil
	return f.Close()
}

// smallPage is what a fault is taken to have brought if that cannot be found out.
const smallPage = 4096

// add takes up a sample. By now the fault has been served, so that its size can be
// seen; later other pages may have been joined with it. A page that has been moved
// meanwhile is asked for its size by present.
func (w *faultWatch) add(ev *event.Event) {
	if w == nil {
		return
	}
	var size uint64
	if w.folios != nil && w.folios.Present(ev.Addr) {
		size = w.folios.Size(ev.Addr)
	}
	w.book.Add(ev.Addr, ev.Stack, ev.Size, size)
}

// present returns the sampled pages that are still in memory. Of a process that has
// exited those that were not unmapped before are all that is known.
func (w *faultWatch) present(exited bool) (pages []faults.Page) {
	for _, page := range w.book.Pages() {
		size := uint64(smallPage)
		if !exited && w.folios != nil {
			if !w.folios.Present(page.Addr) {
				continue
			}
			size = w.folios.Size(page.Addr)
		}
		if page.Bytes == 0 {
			page.Bytes = page.Faults * size
		}
		pages = append(pages, page)
	}
	return pages
}

// follow keeps the sampled pages where they are mapped. What is lost of the system
// calls is found out by a look at the pages, but for a process that has exited.
func (w *faultWatch) follow(ev *event.Event) {
	if w == nil {
		return
	}
	switch ev.Kind {
	case event.Munmap, event.Mmap:
		w.book.Remove(ev.Addr, ev.Addr+ev.Size)
	case event.Brk:
		if ev.Addr < w.brk {
			w.book.Remove(ev.Addr, w.brk)
		}
		w.brk = ev.Addr
	case event.MremapEnter:
		w.moving[ev.TID] = ev.Size
	case event.MremapFail:
		delete(w.moving, ev.TID)
	case event.Mremap:
		old, ok := w.moving[ev.TID]
		delete(w.moving, ev.TID)
		if !ok {
			return
		}
		if old > ev.Size {
			w.book.Remove(ev.Arg+ev.Size, ev.Arg+old)
			old = ev.Size
		}
		w.book.Move(ev.Arg, ev.Addr, old)
	}
}
