package vm

import (
	"memtrace/tracer/book/live"
	"memtrace/tracer/trend"
)

// stack is the sums of one call stack of one process. Its Blocks are the mappings of which
// something is outstanding. Mappings neither outstanding nor dropped are unmapped.
type stack struct {
	live.Account
	key live.Key
	// index is its place in Ledger.stacks, -1 for a background.
	index int
	// into is the stack that GiveUp merges this one into, set only for that time.
	into *stack
}

// unmapped returns the number of mappings of which nothing is left.
func (s *stack) unmapped() uint64 { return s.AllocatedBlocks - s.Blocks - s.DroppedBlocks }

// stack returns the stack with the given key, a new one if need be.
func (l *Ledger) stack(key live.Key) *stack {
	s, ok := l.byKey[key]
	if !ok {
		s = &stack{key: key, index: len(l.stacks)}
		if n := len(l.free); n > 0 {
			s.index, l.free = l.free[n-1], l.free[:n-1]
			l.stacks[s.index] = s
		} else {
			l.stacks = append(l.stacks, s)
		}
		l.byKey[key] = s
	}
	return s
}

// grow adds part, which changes the number of regions by change.
func (l *Ledger) grow(part region, change int) {
	m := part.of
	m.stack.Grow(l.now, part.bytes())
	if m.regions == 0 {
		m.stack.Blocks++
	}
	m.regions += change
	if m.stack.shown() {
		l.total.Bytes += part.bytes()
		l.total.Blocks += uint64(change)
	}
}

// shrink removes piece, which changes the number of regions by change.
func (l *Ledger) shrink(piece region, change int) {
	m := piece.of
	m.stack.Shrink(l.now, piece.bytes())
	m.regions += change
	if m.regions == 0 {
		m.stack.Blocks--
	}
	if m.stack.shown() {
		l.total.Bytes -= piece.bytes()
		l.total.Blocks += uint64(change)
	}
}

// History returns what a stack held until now (ns), nil if it is not known.
func (l *Ledger) History(key live.Key, now uint64) []trend.Sample {
	if s := l.byKey[key]; s != nil {
		return s.History(now)
	}
	return nil
}
