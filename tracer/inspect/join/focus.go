package join

import (
	"memtrace/tracer/book"
	"memtrace/tracer/event"
	"memtrace/tracer/report"
)

// Focus finds out who allocates what windows never meet: package focus of tracer.
type Focus interface {
	// Ready reports whether only windows are watched, so that it is of use.
	Ready() bool
	// Origins says who allocated the blocks at some addresses, as far as is known.
	Origins(addresses []uint64) []book.Origin
	// Want has it find out who allocates blocks for which a program asks for a number of bytes that fits.
	Want(fits func(asked uint64) bool)
	// State says what it does, nil if it was never asked to.
	State() *report.HeapFocus
	Stop()
}

// focus asks for what grows and has no stack, or one that hardly anything speaks for. What was asked for
// once stays asked for: its groups come and go in the list, and blocks that come meanwhile tell whose they
// are.
func (w *Watch) focus() {
	f := w.cfg.Focus
	if f == nil || !f.Ready() {
		return
	}
	s := w.state // which only this goroutine changes
	j := &joiner{state: &s, now: clockNow(), origins: f.Origins, until: event.Now(), name: func(event.StackID) string { return "" }}
	for i := range s.Grown {
		if g := &s.Grown[i]; !w.wanted[g.Size] && len(w.wanted) < mostWanted {
			if _, known := j.sources(g, j.intime(g.Own)); known < enoughKnown {
				w.wanted[g.Size] = true
			}
		}
	}
	if len(w.wanted) == 0 {
		return
	}
	var classes []uint64
	for size := range w.wanted {
		classes = append(classes, size)
	}
	f.Want(func(asked uint64) bool {
		for _, class := range classes {
			if sizeFits(asked, class) {
				return true
			}
		}
		return false
	})
}

const (
	// mostWanted bounds the sizes that are asked for.
	mostWanted = 256
	// enoughKnown is of how many blocks of a group windows must know who allocated them.
	enoughKnown = 3
)
