package join

import (
	"cmp"
	"slices"
	"time"

	"memtrace/tracer/book"
	"memtrace/tracer/event"
	"memtrace/tracer/inspect"
	"memtrace/tracer/inspect/cohort"
	"memtrace/tracer/report"
)

// mostSources is how many stacks are kept of a group.
const mostSources = 16

// Report joins what the last look showed with who allocated the blocks: known, which is about a time
// that may be before that look, finds that out, and name makes the ID that a report gives a stack.
func (w *Watch) Report(known *book.Copy, name func(event.StackID) string) *report.HeapBeside {
	w.mu.Lock()
	s, unread := w.state, w.unread
	w.mu.Unlock()
	r := (&joiner{state: &s, now: clockNow(), origins: known.Origins, until: known.Now, name: name}).report(unread)
	if w.cfg.Focus != nil {
		r.Focus = w.cfg.Focus.State()
	}
	return r
}

// clock tells the time of events by that of the wall.
type clock struct {
	wall time.Time
	mono uint64
}

func clockNow() clock { return clock{time.Now(), event.Now()} }

// at returns a time in ns of CLOCK_MONOTONIC, no less than 0.
func (c clock) at(t time.Time) uint64 {
	since := c.wall.Sub(t)
	if since >= 0 && uint64(since) > c.mono {
		return 0
	}
	return c.mono - uint64(since)
}

// joiner finds the stacks of blocks.
type joiner struct {
	state   *inspect.State
	now     clock
	origins func([]uint64) []book.Origin
	// until is up to when the trace knows of calls (ns).
	until uint64
	name  func(event.StackID) string
}

func (j *joiner) report(unread string) *report.HeapBeside {
	s := j.state
	r := &report.HeapBeside{
		Looks: s.Looks, ReadSeconds: s.Spent.Seconds(), InUse: s.InUse, Unread: unread, Notes: s.Notes,
		GrowingTotal: s.Total, Suppressed: s.Suppressed,
	}
	if s.Looks > 0 {
		r.End, r.DurationSeconds = s.End, max(s.End.Sub(s.Start), 0).Seconds()
	}
	for i := range s.Grown {
		g := &s.Grown[i]
		one := report.HeapOrigin{HeapGrowth: g.HeapGrowth}
		own := j.intime(g.Own)
		one.Checked = uint64(len(own))
		one.AllocatedBy, one.Traced = j.sources(g, own)
		if one.Traced == 0 {
			one.LooksLike, _ = j.sources(g, j.intime(g.Alike))
		}
		r.Growing = append(r.Growing, one)
	}
	return r
}

// intime returns the blocks that were there before the trace ended.
func (j *joiner) intime(blocks []cohort.Member) (list []cohort.Member) {
	for _, m := range blocks {
		if j.now.at(m.To) <= j.until {
			list = append(list, m)
		}
	}
	return list
}

// sources returns the stacks that allocated some blocks of a group, most blocks first, and of how many
// blocks these are known.
func (j *joiner) sources(g *inspect.Grown, blocks []cohort.Member) (list []report.HeapSource, known uint64) {
	addresses := make([]uint64, len(blocks))
	for i := range blocks {
		addresses[i] = blocks[i].Addr
	}
	counts := make(map[event.StackID]report.HeapSource)
	for i, o := range j.origins(addresses) {
		if o.Stack == 0 || !j.same(g, &blocks[i], &o) {
			continue
		}
		s := counts[o.Stack]
		s.Blocks++
		if o.Returned {
			s.Returned, s.Given = s.Returned+1, o.Times
		}
		counts[o.Stack] = s
		known++
	}
	for id, s := range counts {
		s.ID = j.name(id)
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b report.HeapSource) int {
		return cmp.Or(cmp.Compare(b.Blocks, a.Blocks), cmp.Compare(a.ID, b.ID))
	})
	return list[:min(len(list), mostSources)], known
}

// same reports whether the block that the trace knows at an address is the one that was looked at. Where
// every call is traced it is, unless it came after the look. One that a window saw may have been freed
// since without that being seen: then another block has its place, which came at another time, is of
// another size, or has another content. So may one that was only seen where the call returned. A
// mapping is the block if it is as large.
func (j *joiner) same(g *inspect.Grown, m *cohort.Member, o *book.Origin) bool {
	if o.Time > j.now.at(j.state.End) {
		return false
	}
	if o.Mapped {
		return cohort.SizeClass(o.Size) == g.Size
	}
	if !o.Sampled && !o.Returned {
		return true
	}
	took := uint64(max(j.state.Took, 0))
	from, to := j.now.at(m.From), j.now.at(m.To)+took // a look lists blocks one after the other
	if o.Time < from || o.Time > to {
		return false
	}
	if o.Returned {
		return cohort.SizeClass(o.Size) == g.Size
	}
	return (!o.Active || g.ByPlace) && sizeFits(o.Size, g.Size)
}

// sizeFits reports whether a block for which a program asked for some bytes may be of a class of sizes
// of cohort. Of a chunk too small to be split malloc gives 16 bytes more.
func sizeFits(asked, class uint64) bool {
	const header, unit, least = 8, 16, 24
	usable := max((asked+header+unit-1)/unit*unit-header, least)
	return cohort.SizeClass(usable) == class || cohort.SizeClass(usable+unit) == class
}
