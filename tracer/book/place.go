package book

import (
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"memtrace/tracer/book/code"
	"memtrace/tracer/event"
)

// The probes name a stack by its addresses alone. But a library may be unloaded, and another
// one be loaded where it was. So a stack with frames in code that was mapped since the trace
// began has an ID of its own for the code that it lies in. Code is told apart by its file and
// place, so a library that comes back has the stacks that it had.

// placement is a stack of a process, as the probes name it.
type placement struct {
	pid   uint32
	stack event.StackID
}

// mostPlaced bounds what is remembered of where stacks lie.
const mostPlaced = 1 << 16

// mapCode notes what a process maps as code. A Mmap says nothing new if a Code with its time
// came before.
func (b *Book) mapCode(ev *event.Event) {
	r := b.procs[ev.PID]
	if r == nil {
		return
	}
	id := event.NoFile
	switch {
	case ev.Kind == event.Code:
		id, r.known = ev.Mapped(), ev.Time
	case ev.Kind != event.Mmap || ev.Arg&unix.PROT_EXEC == 0 || ev.Time == r.known:
		return
	case ev.Arg>>32&unix.MAP_ANONYMOUS == 0:
		id = event.SomeFile
	}
	const page = 4096
	if !r.code.Set(ev.Addr, (ev.Addr+ev.Size+page-1)&^(page-1), id) {
		return
	}
	r.kept = nil
	if b.placed == nil {
		b.placed = make(map[placement]event.StackID)
	}
	clear(b.placed)
}

// inheritCode is for a child that was forked: it has its parent's code, and blocks by its servers.
func (r *record) inheritCode(parent *record) {
	r.code, r.known = parent.code.Clone(), parent.known
	r.servers = maps.Clone(parent.servers)
}

// forgetCode is for a new program.
func (r *record) forgetCode(b *Book) {
	r.code, r.known, r.kept, r.servers = code.Map{}, 0, nil, nil
	clear(b.placed)
}

// place replaces the stack of an event by the one that it stands for.
func (b *Book) place(ev *event.Event) {
	if ev.Stack == 0 || ev.Kind == event.Stack {
		return
	}
	at := placement{ev.PID, ev.Stack}
	id, ok := b.placed[at]
	if !ok {
		if id, ok = b.find(ev.PID, ev.Stack); !ok {
			return
		}
		if len(b.placed) >= mostPlaced {
			clear(b.placed)
		}
		b.placed[at] = id
	}
	ev.Stack = id
}

// find returns the stack that an ID of the probes stands for now, and keeps its frames.
func (b *Book) find(pid uint32, id event.StackID) (event.StackID, bool) {
	frames, truncated := b.stacks.Frames(id)
	r := b.procs[pid]
	if frames == nil || r == nil {
		return 0, false
	}
	server, _ := b.stacks.Server(id)
	r.servedBy(server)
	if codes := codesOf(&r.code, frames, server); codes != nil {
		id = id.In(codes)
		b.stacks.AddIn(id, server, frames, codes, truncated)
	}
	return id, true
}

// codesOf returns the code of the frames of a stack and of its server, if it has one.
func codesOf(m *code.Map, frames []uint64, server uint64) []event.CodeID {
	if server != 0 {
		frames = append(slices.Clip(frames), server+1) // like a return address
	}
	return m.Of(frames)
}

// unfinished is a stack that is unwound later: how many frames it had, and the code of its time.
type unfinished struct {
	frames int
	code   *code.Map
}

// begin notes a stack that is unwound later. Stacks share a copy of the code until that changes.
func (b *Book) begin(ev *event.Event) {
	r := b.procs[ev.PID]
	if r == nil {
		return
	}
	if r.kept == nil {
		kept := r.code.Clone()
		r.kept = &kept
	}
	if b.unfinished == nil || len(b.unfinished) >= mostPlaced {
		b.unfinished = make(map[event.StackID]unfinished)
	}
	b.unfinished[ev.Stack] = unfinished{len(ev.Frames), r.kept}
}

// Unwound says that a stack was followed further after it was sent. These are all of its frames.
func (b *Book) Unwound(id event.StackID, frames []uint64, truncated bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stacks.Replace(id, frames, nil, truncated)
	server, _ := b.stacks.Server(id)
	u, ok := b.unfinished[id]
	if !ok {
		return
	}
	delete(b.unfinished, id)
	// What was counted by then goes by the code of the frames that were known.
	if codes := codesOf(u.code, frames[:min(u.frames, len(frames))], server); codes != nil {
		b.stacks.Replace(id.In(codes), frames, codesOf(u.code, frames, server), truncated)
	}
}
