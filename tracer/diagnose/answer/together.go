package answer

import "memtrace/tracer/report"

// What stacks have in common need not be a stack. An interpreter calls the same function by ever
// other ways, and a pool asks for memory on behalf of whoever came at the wrong moment: each
// stack holds a block or two and seems to have stopped.
const (
	// leastOfPool is how many blocks a pool must have added to be judged, leastOfSite and
	// leastStacks how many blocks and stacks the same for a function.
	leastOfPool, leastOfSite, leastStacks = 3, 8, 4
	// early and late are the parts of the time before and after which there must be blocks.
	early, late = 1. / 2, 2. / 3
)

// judgeTogether judges stacks that do not grow by themselves by what they have in common: the
// pool that they fill, or the function of the program.
func (e *Evidence) judgeTogether() {
	if e.tooShort() || e.windows() {
		return
	}
	pools, sites := make(map[*pool][]*report.Stack), make(map[string][]*report.Stack)
	for i := range e.Report.Stacks {
		s := &e.Report.Stacks[i]
		if s.Class != report.ClassFilled || len(s.Frames) == 0 || s.Suppressed != "" {
			continue
		}
		if p := e.poolOf(s); p != nil {
			pools[p] = append(pools[p], s)
		} else if f := &s.Frames[s.OwnFrame]; f.Function != "" && !f.Library && !beginnings.MatchString(f.Function) {
			sites[f.Function] = append(sites[f.Function], s)
		}
	}
	for _, stacks := range pools {
		if e.keepsComing(stacks, leastOfPool) {
			e.unite(stacks, report.ClassLeak)
		}
	}
	for _, stacks := range sites {
		if len(stacks) >= leastStacks && e.keepsComing(stacks, leastOfSite) {
			e.unite(stacks, report.ClassPossible)
		}
	}
}

// keepsComing reports whether the blocks of stacks, at least n, came early as well as late.
func (e *Evidence) keepsComing(stacks []*report.Stack, n uint64) bool {
	var blocks, freed, allocated uint64
	var oldest float64
	youngest := e.seconds()
	for _, s := range stacks {
		blocks += s.Blocks
		freed += s.FreedBlocks
		allocated += s.AllocatedBlocks
		oldest = max(oldest, s.OldestSeconds)
		youngest = min(youngest, s.YoungestSeconds)
	}
	const mostFreed = 0.5
	return blocks >= n && oldest >= early*e.seconds() && youngest <= (1-late)*e.seconds() && float64(freed) <= mostFreed*float64(allocated)
}

func (e *Evidence) unite(stacks []*report.Stack, class report.StackClass) {
	for _, s := range stacks {
		s.Class = class
		s.LeakBytesPerSecond = e.divide(s).rate
	}
}
