// Package ended keeps the reports of processes that have ended while others are traced on. There
// may be thousands of them, so those of one program are added up.
package ended

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"memtrace/tracer/report"
)

const (
	// mostPrograms is how many programs are told apart. All later ones are added up.
	mostPrograms = 256
	// mostStacks is how many stacks of a program are told apart, mostOfAll how many of all. Each
	// takes some 2 KB.
	mostStacks = 1024
	mostOfAll  = 16384
	// mostFiles is how many files of a program are kept for names that are given later.
	mostFiles = 1024
)

// Reports are those of ended processes. The zero Reports is empty. It is safe for concurrent use.
type Reports struct {
	mu       sync.Mutex
	programs map[program]*sum
	// n is how many stacks there are.
	n int
}

// program is what the processes that are added up have in common.
type program struct{ command, exe, mode string }

// sum is the report of one process, or of several. Its stacks have names and are all there.
type sum struct {
	*report.Report
	stacks map[string]int
	leaks  []leak
}

// Add takes the report of a process that has ended, with all its stacks.
func (rs *Reports) Add(r *report.Report) {
	for i := range r.Stacks {
		r.FillIn(&r.Stacks[i])
	}
	r.Name = nil
	r.Memory, r.System = nil, nil
	if r.Later == nil {
		r.Target.Modules = nil // all names are there
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.programs == nil {
		rs.programs = make(map[program]*sum)
	}
	key := program{r.Target.Command, r.Target.Exe, string(r.Mode)}
	if rs.programs[key] == nil && len(rs.programs) >= mostPrograms {
		key = program{mode: string(r.Mode)}
	}
	all := rs.programs[key]
	if all == nil {
		first := *r
		first.Stacks = nil
		all = &sum{Report: &first, stacks: make(map[string]int)}
		rs.programs[key] = all
	} else {
		if all.Target.Processes == 0 {
			forgetMoments(all.Stacks)
		}
		forgetMoments(r.Stacks)
		all.add(r)
	}
	all.noteLeaks(r)
	before := len(all.Stacks)
	for i := range r.Stacks {
		all.addStack(&r.Stacks[i], rs.n+len(all.Stacks)-before < mostOfAll)
	}
	rs.n += len(all.Stacks) - before
	all.StacksTotal = len(all.Stacks)
}

// forgetMoments takes from stacks what does not add up: the processes did not run together, so they
// have no peak in common, and none of their threads.
func forgetMoments(stacks []report.Stack) {
	for i := range stacks {
		s := &stacks[i]
		s.Threads, s.PeakBytes, s.PeakBlocks = nil, 0, 0
	}
}

// keyOf is what stacks of different processes of one program have in common: where their frames
// are in the files, wherever these are mapped.
func keyOf(s *report.Stack) string {
	var b strings.Builder
	b.WriteString(string(s.Kind) + " " + s.Allocator)
	for i := range s.Frames {
		f := &s.Frames[i]
		fmt.Fprintf(&b, "\n%s %x %s", f.Module, f.Offset, f.Function)
	}
	return b.String()
}

// add adds another process of the same program.
func (a *sum) add(r *report.Report) {
	t := &a.Target
	n := max(t.Processes, 1)
	t.Processes = n + 1
	if t.Exe != r.Target.Exe || t.Command != r.Target.Command {
		t.Command, t.Exe = "other programs", ""
	}
	if t.ExitSignal != r.Target.ExitSignal || t.ExitStatus != r.Target.ExitStatus {
		t.ExitSignal, t.ExitStatus = "", 0
	}
	t.Inherited, t.Parent = nil, 0
	a.Start, a.End = earlier(a.Report, r), later(a.Report, r)
	a.DurationSeconds = a.End.Sub(a.Start).Seconds()
	a.Complete = a.Complete && r.Complete
	a.Outstanding = a.Outstanding.Plus(r.Outstanding)
	a.Young = a.Young.Plus(r.Young)
	a.Reserved = a.Reserved.Plus(r.Reserved)
	a.AddSuppressed(r.Suppressed)
	a.ChunkBytes += r.ChunkBytes
	a.Events = a.Events.Plus(r.Events)
	a.Sampling = addSampling(a.Sampling, r.Sampling, n)
	a.TracedFraction = average(a.TracedFraction, r.TracedFraction, n)
	a.Overhead = average(a.Overhead, r.Overhead, n)
	a.MallocSplit, a.Growth, a.Timeline = nil, nil, nil
	a.Peak, a.Threads = nil, nil
	a.Modules = report.PlusModules(a.Modules, r.Modules)
	a.Allocators = report.PlusAllocators(a.Allocators, r.Allocators)
	a.addNotes(r.Notes)
	a.addUnprobed(r.Unprobed)
	a.addModules(r)
	a.Diagnosis = nil
}

// addModules adds the files that names are to be looked up in later.
func (a *sum) addModules(r *report.Report) {
	if r.Later == nil {
		return
	}
	a.Later = new(report.Later)
	for _, m := range r.Target.Modules {
		same := func(old report.Module) bool { return old.Path == m.Path && old.BuildID == m.BuildID }
		switch {
		case slices.ContainsFunc(a.Target.Modules, same):
		case len(a.Target.Modules) < mostFiles:
			a.Target.Modules = append(a.Target.Modules, m)
		default:
			a.addNotes([]string{fmt.Sprintf("Of these processes only %d files are known by build ID: frames of others get no names later.", mostFiles)})
		}
	}
}

// addNotes adds the notes on another process. Of those that differ in figures alone the last one
// stays.
func (a *sum) addNotes(notes []string) {
	const most = 16
	for _, n := range notes {
		i := slices.IndexFunc(a.Notes, func(old string) bool { return words(old) == words(n) })
		switch {
		case i >= 0:
			a.Notes[i] = n
		case len(a.Notes) < most:
			a.Notes = append(a.Notes, n)
		}
	}
}

// addUnprobed adds what went without a probe in another process.
func (a *sum) addUnprobed(unprobed []string) {
	const most = 16
	for _, u := range unprobed {
		if len(a.Unprobed) < most && !slices.Contains(a.Unprobed, u) {
			a.Unprobed = append(a.Unprobed, u)
		}
	}
}

// words is a note without its figures.
func words(note string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '.' || r == ',' {
			return -1
		}
		return r
	}, note)
}

// othersKey is the key of the sum of stacks that are not told apart.
const othersKey = "others"

// addStack adds a stack. Where there are too many, or no room for more, a new one goes to a sum
// without frames.
func (a *sum) addStack(s *report.Stack, room bool) {
	key := keyOf(s)
	i, ok := a.stacks[key]
	if !ok && (!room || len(a.Stacks) >= mostStacks) {
		key = othersKey
		i, ok = a.stacks[key]
		if !ok {
			others := *s
			others.Frames, others.Served, others.Threads, others.GivenUpStacks = nil, nil, nil, 1
			s = &others
		} else {
			a.Stacks[i].GivenUpStacks++
		}
	}
	if !ok {
		a.stacks[key] = len(a.Stacks)
		a.Stacks = append(a.Stacks, *s)
		return
	}
	merge(&a.Stacks[i], s)
	if key == othersKey {
		a.Stacks[i].Threads = nil // there may be any number of them
	}
}

// merge adds a stack to another one with the same frames, of another process or of the same one.
func merge(sum, s *report.Stack) {
	sum.Add(s)
	// Processes do not go on growing.
	sum.GrowthBytesPerSecond, sum.LeakBytesPerSecond, sum.FillBytesPerSecond, sum.Class, sum.Estimate = 0, 0, 0, "", nil
	if sum.AllocatedBlocks > 0 {
		sum.Survival = float64(sum.Blocks) / float64(sum.AllocatedBlocks)
	}
	sum.BlockList = nil
}

// List returns the reports, those that hold most first. most is how many stacks of each are
// shown, 0 for all.
func (rs *Reports) List(most int) []*report.Report {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var list []*report.Report
	for _, s := range rs.programs {
		r := *s.Report
		r.Stacks, r.Notes, r.Suppressed = slices.Clone(r.Stacks), slices.Clone(r.Notes), slices.Clone(r.Suppressed)
		slices.SortStableFunc(r.Stacks, func(a, b report.Stack) int {
			return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.ID, b.ID))
		})
		if r.Target.Processes > 1 {
			r.Diagnosis = diagnosis(&r)
			r.Diagnosis.Findings = append(r.Diagnosis.Findings, s.leaked()...)
		}
		if most > 0 && len(r.Stacks) > most {
			r.Stacks = r.Stacks[:most]
		}
		list = append(list, &r)
	}
	slices.SortFunc(list, func(a, b *report.Report) int {
		return cmp.Or(cmp.Compare(b.Outstanding.Bytes, a.Outstanding.Bytes), cmp.Compare(a.Target.PID, b.Target.PID))
	})
	return list
}
