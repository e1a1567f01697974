package faults

import "memtrace/tracer/event"

// Follow makes the sampled pages follow their mappings. Lost system calls are made up for by a
// look at the pages, except for a process that has exited. A nil Book keeps nothing.
func (b *Book) Follow(ev *event.Event) {
	if b == nil {
		return
	}
	switch ev.Kind {
	case event.Munmap, event.Mmap:
		b.Remove(ev.Addr, ev.Addr+ev.Size)
	case event.Brk:
		if ev.Addr < b.brk {
			b.Remove(ev.Addr, b.brk)
		}
		b.brk = ev.Addr
	case event.MremapEnter:
		b.moving[ev.TID] = ev.Size
	case event.MremapFail:
		delete(b.moving, ev.TID)
	case event.Mremap:
		old, ok := b.moving[ev.TID]
		delete(b.moving, ev.TID)
		if !ok {
			return
		}
		if old > ev.Size {
			b.Remove(ev.Arg+ev.Size, ev.Arg+old)
			old = ev.Size
		}
		b.Move(ev.Arg, ev.Addr, old)
	}
}

// EachStack calls f with the stack of every page. A nil Book has none.
func (b *Book) EachStack(f func(event.StackID)) {
	if b == nil {
		return
	}
	for _, s := range b.pages {
		f(s.stack)
	}
}
