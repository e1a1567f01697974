package diagnose

import (
	"strings"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
	"memtrace/tracer/report"
)

// judge adds up what was lost, notes what bears on the figures, and says whether they are
// complete.
func (d *diagnosis) judge() {
	c, h := &d.Known.Counters, &d.Known.Heap.Counters
	d.lost = report.Lost{
		Alloc:      c.LostAlloc + c.LostThread + c.Stale,
		AllocBytes: c.LostAllocBytes,
		Free:       c.LostFree,
		Stack:      c.LostStack,
		Mmap:       c.LostMmap,
	}
	dropped := sum(h.Dropped, d.Known.VM.Counters.Dropped)
	if dropped.Blocks > 0 {
		d.note("%d blocks (%d bytes) are left out because frees were lost, theirs perhaps among them.",
			dropped.Blocks, dropped.Bytes)
	}
	if h.Evicted > 0 {
		d.note("%d blocks were handed out again although no free of them was seen.", h.Evicted)
	}
	d.noteLife()
	if cut := cutShort(c); cut != "" {
		d.note("Stacks were cut short: %s.", cut)
	}
	if n := d.Known.Missed; n > 0 {
		d.note("The kernel left out %d system calls of all processes, since the program that looks at them was at work: mappings made by them are missing here.", n)
	}
	unseen := d.noteAllocators()
	unwatched := d.noteUnwatched()
	if c.HighSignalStack > 0 {
		d.note("%d threads have a signal stack above their own. Before Linux 6.13, a signal handler that allocates there while the thread is in malloc ends the process while it is traced.", c.HighSignalStack)
	}
	if d.Growth && c.LostFault > 0 {
		d.note("Samples of %d page faults found no room: estimates are lower bounds.", c.LostFault)
	}
	d.noteGivenUp()
	if d.Known.Sample != nil {
		// What was lost of blocks is why windows were dropped.
		d.lost.Alloc, d.lost.AllocBytes = 0, 0
	}
	d.complete = !d.lost.Any() && dropped.Blocks == 0 && h.Evicted == 0 && d.givenUp().Holding == 0 && !unseen && !unwatched && len(d.Unprobed) == 0 && !d.Unfollowed
	if d.PartOfCalls && d.Known.Missed > 0 {
		d.complete = false
	}
}

// noteLife notes events in the life of the process that bear on the figures.
func (d *diagnosis) noteLife() {
	life := &d.Known.Life
	if life.Exited && trapped(life.Status) && !d.Growth {
		d.notes = append(d.notes, whyTrapped)
	}
	if d.Debuggers != "" {
		d.notes = append(d.notes, d.Debuggers)
	}
	if life.Exited && life.Ended < d.StartMono {
		d.note("The process ended before its trace began.")
	}
	if d.Unfollowed {
		d.note("The process runs a new program that was not looked at yet: what that allocated may be missing.")
	}
	d.noteInherited()
	if life.Children > 0 && !d.Followed {
		d.note("The process forked %d times; its children are not traced (trace them with -p).", life.Children)
	}
}

// noteUnwatched notes that no window was watched whole, and reports whether that is so.
func (d *diagnosis) noteUnwatched() bool {
	switch {
	case d.sampling == nil || d.sampling.Windows > 0:
		return false
	case d.Known.Life.Exited:
		d.note("The process ended before a window was watched whole, so nothing is known of its blocks: trace it with --exact.")
	default:
		d.note("No window was watched whole yet, so nothing is known of the blocks: trace for longer, or with --exact.")
	}
	return true
}

// noteAllocators notes which allocations are missing. unseen means that some are.
func (d *diagnosis) noteAllocators() (unseen bool) {
	if d.Growth {
		return false
	}
	if missing := d.Target.MissingNamed(); len(missing) > 0 {
		d.note("Nothing of these functions was traced, since no mapped file has them: %s. Check the names (nm, nm -D) and --in.", strings.Join(missing, ", "))
	}
	for _, o := range d.Target.Objects {
		if len(o.Unseen) > 0 {
			d.note("What %s of %s allocates is missing: a probe on it would harm the process.", strings.Join(o.Unseen, ", "), o.Path)
			unseen = true
		}
	}
	return unseen
}

// cutShort says how many stacks are not whole, and why.
func cutShort(c *event.Counters) string {
	var why []string
	for _, cut := range []struct {
		n      uint64
		reason string
	}{
		{c.CutDepth, "for their depth"},
		{c.CutNoRule, "in code without unwind rules"},
		{c.CutBadRule, "by rules that need a lost register"},
		{c.CutBadStack, "by an unreadable stack"},
	} {
		if cut.n > 0 {
			why = append(why, report.Count(cut.n)+" "+cut.reason)
		}
	}
	return strings.Join(why, ", ")
}

// givenUp returns how many stacks of the process were given up.
func (d *diagnosis) givenUp() live.GiveUps {
	return d.Known.Heap.Counters.GivenUp.Plus(d.Known.VM.Counters.GivenUp).Plus(d.sampleGivenUp)
}

// noteGivenUp notes which stacks were given up, if any were.
func (d *diagnosis) noteGivenUp() {
	given := d.givenUp()
	if given == (live.GiveUps{}) {
		return
	}
	var held live.Sum
	for _, stacks := range [][]live.Stack{d.Known.Heap.Stacks, d.Known.VM.Stacks} {
		for i := range stacks {
			if stacks[i].ID == live.GivenUp {
				held = held.Plus(stacks[i].Sum)
			}
		}
	}
	d.note("To keep within %s (--max-memory) %s stacks were given up, of which %s held something, and not more than those that are told apart: "+
		"%d bytes in %d blocks of what they held are outstanding, in a sum of their own. Sums are exact; of a stack that came back only what it did since then is told apart.",
		report.Size(d.MaxMemory), report.Count(given.Holding+given.Empty), report.Count(given.Holding), held.Bytes, held.Blocks)
}
