package inspect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"memtrace/tracer/inspect/census"
	"memtrace/tracer/inspect/cohort"
	"memtrace/tracer/inspect/freeze"
	"memtrace/tracer/inspect/graph"
	"memtrace/tracer/report"
)

// Of a heap of which all blocks need more than Config.MaxMemory a part is looked at: one block of 2, 4, 8
// and so on, and all large ones (census.Walker.Sample). What grows and what blocks are is estimated from these. Pointers are
// not followed, since those of the other blocks are missing.

// unlooked is the number of a holder that was not looked for.
const unlooked = -2

// mayBePart reports whether a part of the heap may be looked at. The way to one block takes all, and a
// picture has room for all.
func (l *Looker) mayBePart(p *freeze.Picture) bool {
	return p == nil && l.cfg.Why == 0 && l.cfg.MaxMemory > 0
}

// standsFor is how many blocks each one of a size that is looked at stands for.
func (l *Looker) standsFor(size uint64) uint64 {
	if size >= census.Large {
		return 1
	}
	return 1 << l.shift
}

// lookAtPart goes on with a census of a part.
func (l *Looker) lookAtPart(ctx context.Context, c *census.Census) error {
	if c.Shift != l.shift {
		l.beginPart(c.Shift)
	}
	g, err := graph.Read(ctx, graph.Config{Walker: l.walker, Kinds: l.namer, Symbols: l.symbols, Hashed: l.cohorts.Begin(c.Blocks)}, c)
	if err != nil {
		return err
	}
	if changed, gone := l.changed(); changed || gone {
		return ErrGone
	}
	l.count(c)
	l.cohorts.Add(cohort.Look{
		At: c.At, Within: c.Within, Blocks: c.Blocks, Hashes: g.Hash,
		Kind:   func(i int) uint32 { return uint32(g.KindOf(i)) },
		Holder: func(int) int32 { return unlooked },
	})
	l.last = last{end: c.End, totals: c.Totals, blocks: c.Blocks.Len(), skipped: skipsOf(c, g)}
	return nil
}

// beginPart begins anew with another part of the heap: what is not in it is not gone.
func (l *Looker) beginPart(shift uint) {
	if l.looks > 0 {
		l.notes = append(l.notes[:0], fmt.Sprintf("The heap grew beyond what --max-memory allows for after %s: looks began anew.", report.Counted(uint64(l.looks), "look", "looks")))
	}
	l.shift = shift
	l.begin()
}

// begin forgets what looks have shown.
func (l *Looker) begin() {
	l.cohorts, l.passes, l.roots, l.last = cohort.New(), passes{}, newRoots(), last{}
	l.looks, l.start = 0, time.Time{}
}

// partNotes says what it means that only a part is looked at.
func (l *Looker) partNotes() []string {
	if l.shift == 0 {
		return nil
	}
	n := l.last.totals.InUse.Chunks
	return []string{fmt.Sprintf("One block of %s is looked at: all need %s if they are held, up to %s if nobody points at them, and --max-memory allows for %s. What grows, and what blocks are, is estimated. What holds them, and what nobody points at, is not known.",
		report.Count(l.standsFor(0)), report.Size(fixedBytes+n*blockBytes), report.Size(fixedBytes+n*(blockBytes+keptUnheldBytes)), report.Size(l.cfg.MaxMemory))}
}

// scale makes of what a group of the part does what such blocks do in the whole heap.
func (l *Looker) scale(g *report.HeapGrowth) {
	if l.shift == 0 {
		return
	}
	g.Holder = report.HeapRoot{Class: report.HeapUnlooked}
	n := l.standsFor(g.Size)
	g.Now = scaled(g.Now, n)
	g.Came, g.Left = g.Came*n, g.Left*n
	g.PerMinute, g.Low, g.High = g.PerMinute*float64(n), g.Low*float64(n), g.High*float64(n)
	for i := range g.Cohorts {
		g.Cohorts[i].Came *= n
		g.Cohorts[i].Stayed *= n
	}
}

func scaled(s report.HeapSum, n uint64) report.HeapSum {
	return report.HeapSum{Blocks: s.Blocks * n, Bytes: s.Bytes * n}
}

// lookAtLess looks once more where the pointers between all blocks do not fit, if a part may be looked at.
func (l *Looker) lookAtLess(ctx context.Context, p *freeze.Picture, blocks int, err error) error {
	switch {
	case !errors.Is(err, graph.ErrMemory):
		return err
	case !l.mayBePart(p):
		return l.tooLarge(report.Counted(uint64(blocks), "block", "blocks") + " and the pointers between them")
	}
	l.walker.Shift = max(l.walker.Shift, 1)
	return l.lookAt(ctx, p)
}
