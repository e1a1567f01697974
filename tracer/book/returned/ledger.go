// Package returned remembers which blocks were seen as calls returned them, while only windows are
// watched: see package focus of tracer. Nothing tells it of frees. So it says who was given an address
// last, as far as that was seen, and not that the block is still there: whoever looks at the heap knows
// that.
package returned

import "memtrace/tracer/event"

// Ledger has the latest blocks of one process. A nil Ledger is empty.
type Ledger struct {
	// now has blocks by address, and before those that came before it was full: the oldest go first,
	// many at a time.
	now, before map[uint64]Block
	// times counts, by stack and size, the blocks that were seen.
	times map[source]uint64
}

// Block is one that was returned.
type Block struct {
	Stack event.StackID
	// Time is when (ns), Size how many bytes the program can use.
	Time, Size uint64
	// Times is how many blocks of that size the stack was seen to be given so far.
	Times uint64
}

type source struct {
	stack event.StackID
	size  uint64
}

const (
	// mostBlocks is how many are remembered in each of two parts.
	mostBlocks = 1 << 14
	// mostSources bounds the counts. Once there are as many, they begin anew.
	mostSources = 1 << 12
)

// Add takes a Returned event.
func (l *Ledger) Add(ev *event.Event) {
	if len(l.now) >= mostBlocks {
		l.before, l.now = l.now, nil
	}
	if l.now == nil {
		l.now = make(map[uint64]Block)
	}
	if l.times == nil || len(l.times) >= mostSources {
		l.times = make(map[source]uint64)
	}
	size := usable(ev)
	l.times[source{ev.Stack, size}]++
	if old, ok := l.now[ev.Addr]; !ok || old.Time <= ev.Time {
		l.now[ev.Addr] = Block{Stack: ev.Stack, Time: ev.Time, Size: size}
	}
}

// Gone says that a block was freed at an address, or another one given to somebody, at a time (ns).
func (l *Ledger) Gone(addr, time uint64) {
	if l == nil {
		return
	}
	for _, part := range []map[uint64]Block{l.now, l.before} {
		if b, ok := part[addr]; ok && b.Time < time {
			delete(part, addr)
		}
	}
}

// usable is how much of a chunk of glibc's malloc the program can use, in bytes.
func usable(ev *event.Event) uint64 {
	const word = 8
	header := uint64(word)
	if ev.Flags&event.ChunkMmapped != 0 {
		header = 2 * word
	}
	return ev.Size - min(header, ev.Size)
}

// At returns the block that was returned last at an address.
func (l *Ledger) At(addr uint64) (b Block, ok bool) {
	if l == nil {
		return Block{}, false
	}
	if b, ok = l.now[addr]; !ok {
		b, ok = l.before[addr]
	}
	b.Times = l.times[source{b.Stack, b.Size}]
	return b, ok
}

// EachStack calls f with the stacks of all blocks.
func (l *Ledger) EachStack(f func(event.StackID)) {
	if l == nil {
		return
	}
	for _, part := range []map[uint64]Block{l.now, l.before} {
		for _, b := range part {
			f(b.Stack)
		}
	}
}
