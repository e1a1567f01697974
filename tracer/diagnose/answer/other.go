package answer

import (
	"cmp"
	"fmt"
	"slices"

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

// asThreads turns a finding on the stacks of threads into one on threads.
func (e *Evidence) asThreads(f *report.Finding, g *group) {
	var made uint64
	for _, s := range g.stacks {
		made += s.Blocks
	}
	f.Evidence = append(f.Evidence, fmt.Sprintf("%s of threads made since the trace began are still mapped", counted(made, "stack", "stacks")))
	if e.Threads > 0 {
		f.Evidence = append(f.Evidence, fmt.Sprintf("the process has %s", counted(uint64(e.Threads), "thread", "threads")))
	}
	if e.ThreadsGrowing || e.Threads > 0 && uint64(e.Threads) >= made {
		f.Kind = report.Leak
		f.Next = "The threads still run: find out why they do not end."
		return
	}
	f.Next = "Join these threads (pthread_join), or detach them (pthread_detach)."
}

// growing reports whether one of the classes of an account grows beyond doubt, and how fast they
// do together.
func (e *Evidence) growing(a *report.Account) (rate float64, ok bool) {
	for i := range e.Report.Memory.Regions {
		if r := &e.Report.Memory.Regions[i]; r.Growing && slices.Contains(a.Classes, r.Class) {
			rate += r.GrowthBytesPerSecond
			ok = true
		}
	}
	return rate, ok
}

// ofAccounts returns findings on growth that has no stack.
func (e *Evidence) ofAccounts(accounts []report.Account) (found []report.Finding) {
	if e.tooShort() {
		return nil
	}
	for i := range accounts {
		a := &accounts[i]
		all, ok := e.growing(a)
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
			// The rate is that of the trend, so that what came at once does not count.
			f := report.Finding{Confidence: Likely, Bytes: uint64(t.Bytes), Stacks: []string{}}
			f.BytesPerSecond = exactly(min(all*part, float64(t.Bytes)/e.seconds()))
			switch t.Kind {
			case report.TermKeptFree:
				f.Kind = report.KeepsFree
				e.describeFree(&f)
			case report.TermRest:
				if a.Kind == "heap" && e.filtered() {
					continue // sizes that were left out may explain it
				}
				e.describeRest(&f, a, &t)
				if f.Kind == report.Unexplained && a.Kind == "heap" && !t.Known && !e.windows() && !e.growth() {
					f.Memory += keptUnknown
				}
			default:
				continue
			}
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		found = e.touched(accounts)
	}
	return found
}

// keptUnknown is said of a heap that grows beside its stacks: it may be free memory.
const keptUnknown = ", of which it is unknown how much is free"

// touched returns the finding that resident memory grows where it was mapped before.
func (e *Evidence) touched(accounts []report.Account) []report.Finding {
	m := e.Report.Memory
	if m == nil || !m.ResidentGrowing || m.ResidentGrowthBytes < leastUnexplained {
		return nil
	}
	left := m.ResidentGrowthBytes
	for i := range accounts {
		left -= max(accounts[i].GrewBytes, 0)
	}
	part := float64(left) / float64(m.ResidentGrowthBytes)
	if left < leastUnexplained || part < leastPart {
		return nil
	}
	rest := part * m.ResidentGrowthBytesPerSecond
	f := report.Finding{
		Kind: report.Unexplained, Confidence: Possible, BytesPerSecond: exactly(rest), Stacks: []string{},
		Bytes: uint64(left), Memory: "memory that it had mapped before", Next: "Run memtrace grow: it shows which code touches the new memory.",
	}
	if e.growth() {
		f.Next = ""
	}
	e.ascribe(&f)
	return []report.Finding{f}
}

// ascribe puts growth without a stack down to the runtime that runs the program, if it has one:
// that touches memory which it mapped long before.
func (e *Evidence) ascribe(f *report.Finding) {
	if p := e.runtime(); p != nil {
		f.Kind, f.Memory, f.Next = report.Pool, p.name, p.next
	}
}

// describeRest says what growth without a stack may be.
func (e *Evidence) describeRest(f *report.Finding, a *report.Account, t *report.AccountTerm) {
	f.Kind, f.Confidence, f.Memory = report.Unexplained, Possible, a.Label
	f.Evidence = append(f.Evidence, fmt.Sprintf("%s of %s: %s", report.Size(uint64(t.Bytes)), a.Label, t.Label))
	seen := e.Report.Events.Alloc > 0 || e.windows()
	switch {
	case e.growth() && a.Kind == "heap":
		f.Next = "Trace without grow: then blocks have stacks, too."
	case e.growth(): // where memory is touched first stands below
	case a.Kind == "heap" && (e.Allocators == 0 || !seen):
		f.Kind = report.UnknownAllocator
		f.Next = "Run memtrace grow: it shows which code makes the address space grow and touches new memory."
	case a.Kind == "heap" && e.windows():
		f.Next = "Trace for longer, or with --exact."
		grew := e.of(func(s *report.Stack) bool { return s.Kind == report.Grown && share(s, &heapPot) > 0 })
		f.Culprit, f.Caller, f.Share = e.culprit(grew, held)
	case a.Kind == "mappings":
		f.Next = "Run memtrace grow: it shows which code touches the new memory."
		e.ascribe(f)
	case a.Kind == "files", a.Kind == "shared":
		f.Next = "Run memtrace grow: it shows which code touches the new memory."
	}
}

// describeFree says how free memory could be given back.
func (e *Evidence) describeFree(f *report.Finding) {
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

func exactly(v float64) report.Bounds { return report.Bounds{Value: v, Low: v, High: v} }

// ofChildren returns the finding that child processes grow.
func (e *Evidence) ofChildren() []report.Finding {
	f := report.Finding{Kind: report.Children, Confidence: Certain, Stacks: []string{}, Next: "Trace them: memtrace -p"}
	for _, c := range e.Children {
		if !c.Growing || c.BytesPerSecond <= 0 || c.Exited {
			continue
		}
		f.Children = append(f.Children, c)
		f.Bytes += uint64(max(c.GrowthBytes, 0))
		f.BytesPerSecond = exactly(f.BytesPerSecond.Value + c.BytesPerSecond)
	}
	if len(f.Children) == 0 {
		return nil
	}
	slices.SortStableFunc(f.Children, func(a, b report.Child) int {
		return cmp.Compare(b.BytesPerSecond, a.BytesPerSecond)
	})
	for i, c := range f.Children {
		if i == 3 {
			break
		}
		if i > 0 {
			f.Next += ","
		} else {
			f.Next += " "
		}
		f.Next += fmt.Sprint(c.PID)
	}
	f.Next += "."
	return []report.Finding{f}
}

// neverFreed returns the finding of a process that has ended with blocks outstanding.
func (e *Evidence) neverFreed() []report.Finding {
	r := e.Report
	if !r.Target.Exited || r.Outstanding.Blocks == 0 || e.growth() || e.windows() {
		return nil
	}
	f := report.Finding{Kind: report.NeverFreed, Confidence: Certain, Stacks: []string{}}
	stacks := e.of(func(s *report.Stack) bool { return s.Bytes > s.ReservedBytes && s.GivenUpStacks == 0 && !madeThread(s) })
	if len(stacks) == 0 {
		return nil
	}
	e.blame(&f, stacks)
	f.Bytes = 0
	for _, s := range stacks {
		f.Bytes += s.Bytes
		f.Blocks += s.Blocks
	}
	return []report.Finding{f}
}

// of returns the stacks that are such.
func (e *Evidence) of(such func(*report.Stack) bool) (list []*report.Stack) {
	for i := range e.Report.Stacks {
		if s := &e.Report.Stacks[i]; such(s) {
			list = append(list, s)
		}
	}
	return list
}

// blame names the stacks of a finding that does not grow.
func (e *Evidence) blame(f *report.Finding, stacks []*report.Stack) {
	f.StacksTotal = len(stacks)
	for i, s := range stacks {
		f.Bytes += s.Taken()
		if i < mostStacks {
			f.Stacks = append(f.Stacks, s.ID)
		}
	}
	f.Culprit, f.Caller, f.Share = e.culprit(stacks, held)
}
