package answer

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"memtrace/tracer/report"
)

// These decide what is worth a finding.
const (
	// leastUnexplained is the growth, in bytes, that must be without a stack for that to be
	// said, and leastPart its part of what was added.
	leastUnexplained = 128 << 10
	leastPart        = 0.3
	// leastFree and freePart are how much malloc must keep free, and as what part of its heaps,
	// for that to be said of a process that does not grow.
	leastFree, freePart = 4 << 20, 0.5
	// leastReserved is how much must be reserved, leastFilled and leastReplaced how much filled
	// or replaced, for that to be said.
	leastReserved = 32 << 20
	leastFilled   = 256 << 10
	leastReplaced = 4 << 10
)

// madeEndedThread reports whether a stack mapped the stacks of threads of which more are there
// than threads. That is only known where the threads were counted.
func (e *Evidence) madeEndedThread(s *report.Stack) bool {
	return madeThread(s) && e.Threads > 0 && !e.ThreadsGrowing && uint64(e.Threads) < s.Blocks
}

// asThreads says what to do about stacks of threads.
func (e *Evidence) asThreads(f *found) {
	var made uint64
	for _, s := range f.stacks {
		made += s.Blocks
	}
	f.Evidence = append(f.Evidence, report.Counted(made, "stack", "stacks")+" of threads made since the trace began are still mapped")
	if e.Threads > 0 {
		f.Evidence = append(f.Evidence, "the process has "+report.Counted(uint64(e.Threads), "thread", "threads"))
	}
	switch {
	case f.Kind == report.UnjoinedThreads:
		f.Next = "Join these threads (pthread_join), or detach them (pthread_detach)."
	case e.Threads > 0:
		f.Next = "These are stacks of threads that still run: find out why they do not end."
	default:
		f.Next = "These are stacks of threads: find out whether they end, and are joined."
	}
}

// trend reports whether one of the classes of an account grows beyond doubt, and how fast they
// do together.
func (e *Evidence) trend(a *report.Account) (rate float64, ok bool) {
	m := e.Report.Memory
	own := m.OwnKnown && slices.ContainsFunc(e.pots(), func(p pot) bool { return p.kind == a.Kind && p.resident })
	for i := range m.Regions {
		r := &m.Regions[i]
		switch {
		case !slices.Contains(a.Classes, r.Class):
		case own && r.OwnGrowing:
			rate += r.OwnGrowthBytesPerSecond
			ok = true
		case !own && r.Growing:
			rate += r.GrowthBytesPerSecond
			ok = true
		}
	}
	return rate, ok
}

// ofAccounts returns findings on growth that has no stack.
func (e *Evidence) ofAccounts(accounts []report.Account) (all []*found) {
	if e.tooShort() {
		return nil
	}
	for i := range accounts {
		a := &accounts[i]
		pace, ok := e.trend(a)
		var added float64
		for _, t := range a.Terms {
			added += max(float64(t.Bytes), 0)
		}
		if !ok || added == 0 {
			continue
		}
		for _, t := range a.Terms {
			part := float64(t.Bytes) / added
			if t.Bytes < leastUnexplained || part < leastPart {
				continue
			}
			f := find("")
			f.Confidence, f.Bytes = Likely, uint64(t.Bytes)
			// The rate is that of the trend, so that what came at once does not count.
			f.BytesPerSecond = exactly(min(pace*part, float64(t.Bytes)/e.seconds()))
			switch t.Kind {
			case report.TermKeptFree:
				f.Kind = report.KeepsFree
				e.describeFree(f)
			case report.TermRest:
				if a.Kind == "heap" && e.filtered() {
					continue // sizes that were left out may explain it
				}
				e.describeRest(f, a, &t)
			default:
				continue
			}
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		all = e.touched(accounts)
	}
	return all
}

// keptUnknown is said of a heap that grows beside its stacks: it may be free memory.
const keptUnknown = ", of which it is unknown how much is free"

// touched returns the finding that resident memory grows where it was mapped before.
func (e *Evidence) touched(accounts []report.Account) []*found {
	m := e.Report.Memory
	if m == nil || !m.ResidentGrowing || m.ResidentGrowthBytes < leastUnexplained {
		return nil
	}
	left := m.ResidentGrowthBytes
	for i := range accounts {
		left -= max(accounts[i].GrewBytes, 0)
	}
	if f := e.filePages(left); f != nil {
		return []*found{f}
	}
	part := float64(left) / float64(m.ResidentGrowthBytes)
	if left < leastUnexplained || part < leastPart {
		return nil
	}
	f := find(report.Unexplained)
	f.Confidence, f.Bytes, f.BytesPerSecond = Possible, uint64(left), exactly(part*m.ResidentGrowthBytesPerSecond)
	f.Memory = "memory that it had mapped before"
	if !e.growth() {
		f.Next = touches
	}
	e.touchers(f, nil)
	e.ascribe(f)
	return []*found{f}
}

// filePages returns the finding that most of so many resident bytes are new pages of mapped files.
func (e *Evidence) filePages(left int64) *found {
	m := e.Report.Memory
	var pages int64
	for i := range m.Regions {
		r := &m.Regions[i]
		pages += max(r.ResidentGrowthBytes-r.OwnGrowthBytes, 0)
	}
	if !m.ResidentKnown || pages < leastUnexplained || 2*pages < left {
		return nil
	}
	f := find(report.FilePages) // which stack mapped these files is not known
	part := min(float64(pages)/float64(m.ResidentGrowthBytes), 1)
	f.Confidence, f.Bytes, f.BytesPerSecond = Likely, uint64(pages), exactly(part*m.ResidentGrowthBytesPerSecond)
	f.Next = "This is no leak. If it matters, madvise(MADV_DONTNEED) or munmap gives the pages back."
	return f
}

// touches is what to do where memory grows that has no stack.
const touches = "Run memtrace grow: it shows which code touches the new memory."

// ascribe puts growth without a stack down to the runtime that runs the program, if it has one:
// that touches memory which it mapped long before, for whatever function needs it.
func (e *Evidence) ascribe(f *found) {
	if p := e.runtime(); p != nil {
		f.Kind, f.Memory, f.Next = report.Pool, p.name, p.next
		f.Culprit, f.Caller, f.Share = nil, nil, 0
	}
}

// describeRest says what growth without a stack may be.
func (e *Evidence) describeRest(f *found, a *report.Account, t *report.AccountTerm) {
	f.Kind, f.Confidence, f.Memory = report.Unexplained, Possible, a.Label
	f.Evidence = append(f.Evidence, fmt.Sprintf("%s of %s: %s", report.Size(uint64(t.Bytes)), a.Label, t.Label))
	heap := a.Kind == "heap"
	seen := e.Allocators > 0 && e.Report.Events.Alloc+e.Report.Events.Realloc > 0
	switch {
	case heap && e.growth():
		f.Next = "Trace without grow: then blocks have stacks, too."
	case e.growth(): // where memory is touched first stands below
		e.touchers(f, a.Classes)
	case heap && e.windows():
		f.Next = "Trace for longer, or with --exact."
	case heap && !seen:
		f.Kind = report.UnknownAllocator
		f.Next = "Run memtrace grow: it shows which code makes the address space grow and touches new memory."
		e.touchers(f, a.Classes)
	case heap && !t.Known:
		f.Memory += keptUnknown
	case heap:
	default:
		f.Next = touches
		e.touchers(f, a.Classes)
		if a.Kind == "mappings" {
			e.ascribe(f)
		}
	}
}

// describeFree says how free memory could be given back.
func (e *Evidence) describeFree(f *found) {
	k := e.Kept
	if k == nil {
		return
	}
	least := ""
	if !k.Complete {
		least = "at least "
	}
	f.Evidence = append(f.Evidence, fmt.Sprintf("%s%s of the %s that malloc has are free", least, report.Size(k.Free), report.Size(k.System)))
	f.Next = fmt.Sprintf("malloc_trim(0) gives back up to %s.", report.Size(k.Free))
	if k.Arenas > 2 {
		f.Evidence = append(f.Evidence, fmt.Sprintf("in %d arenas", k.Arenas))
		f.Next += " Fewer arenas keep less: set MALLOC_ARENA_MAX=2."
	}
}

// ofChildren returns the finding that child processes grow.
func (e *Evidence) ofChildren() []*found {
	f := find(report.Children)
	for _, c := range e.Children {
		if !c.Growing || c.BytesPerSecond <= 0 || c.Exited {
			continue
		}
		f.Children = append(f.Children, c)
		f.Bytes += uint64(max(c.GrowthBytes, 0))
		f.BytesPerSecond = addBounds(f.BytesPerSecond, exactly(c.BytesPerSecond))
	}
	if len(f.Children) == 0 {
		return nil
	}
	slices.SortStableFunc(f.Children, func(a, b report.Child) int { return cmp.Compare(b.BytesPerSecond, a.BytesPerSecond) })
	var pids []string
	for _, c := range f.Children[:min(len(f.Children), mostChildren)] {
		pids = append(pids, strconv.Itoa(c.PID))
	}
	f.Next = "Trace them: memtrace -p " + strings.Join(pids, ",") + "."
	if e.Followed {
		f.Next = "They have reports of their own."
	}
	return []*found{f}
}

// mostChildren is how many children are named.
const mostChildren = 3

// neverFreed returns the finding of a process that has ended with blocks outstanding.
func (e *Evidence) neverFreed() []*found {
	if r := e.Report; !r.Target.Exited || e.growth() || e.windows() {
		return nil
	}
	such := func(s *report.Stack) bool { return s.Bytes > s.ReservedBytes && s.GivenUpStacks == 0 && !madeThread(s) }
	f := e.holding(report.NeverFreed, func(s *report.Stack) bool { return such(s) && !ofLoader(s) })
	if f == nil {
		f = e.holding(report.NeverFreed, such)
	}
	if f == nil {
		return nil
	}
	f.Bytes = 0 // what the program asked for
	for _, s := range f.stacks {
		f.Bytes += s.Bytes - s.ReservedBytes
		f.Blocks += s.Blocks
	}
	return []*found{f}
}

// holding returns a finding on the stacks that are such, by what they hold, nil if there are none.
func (e *Evidence) holding(kind report.FindingKind, such func(*report.Stack) bool) *found {
	f := find(kind, e.of(such)...)
	if len(f.stacks) == 0 {
		return nil
	}
	for _, s := range f.stacks {
		f.Bytes += s.Taken()
	}
	f.Culprit, f.Caller, f.Share = e.culprit(f.stacks, held)
	return f
}
