package answer

import (
	"math"
	"slices"

	"memtrace/tracer/report"
)

// These parts, 0 to 1, decide what a stack is taken for.
const (
	// steady is the part of the added bytes that the slope must account for, so that all of
	// them count as steady growth. It is below 1 because a slope over few samples is rough.
	steady = 2. / 3
	// lasting is the part of the time for which a leak must have been known, and its oldest
	// block there. Where all blocks are younger, the stack turns them over, or has only begun.
	lasting = 0.45
	// leastFollowed is the time, in seconds, from which on a slope says anything.
	leastFollowed = 1
	// leastBlocks is the number of allocations from which on a stack can grow: fewer are steps.
	leastBlocks = 3
	// mostlyReplaced is the part of a stack's blocks from which on it counts as one that
	// replaces: the rest is chance.
	mostlyReplaced = 0.8
	// chance is the surplus in bytes, over what replaces, from which on it counts.
	chance = 64 << 10
	// reservedPart is the part of a stack's mappings from which on they count as reserved.
	reservedPart = 0.9
)

// parts says what became of the bytes that a stack holds, as the allocator takes them.
type parts struct {
	// leaks were added by steady growth, filled at once or before growth ended, replaced
	// merely make up for old blocks that were freed, reserved are not memory.
	leaks, filled, replaced, reserved float64
	// young is blocks that are too young to list, of a stack that does not leak: they come and
	// go. Those of one that does are among leaks.
	young float64
	// rate is how fast leaks grow, per second.
	rate float64
}

// Judge says of each stack what it is taken for.
func (e *Evidence) Judge() {
	if e.windows() {
		e.scaleEstimates()
	}
	e.judgeAll()
	// A stack that holds nothing old is listed where it grows.
	e.Report.Stacks = slices.DeleteFunc(e.Report.Stacks, func(s report.Stack) bool {
		return s.Blocks == 0 && s.Estimate == nil && s.Class != report.ClassLeak
	})
	e.Report.StacksTotal = len(e.Report.Stacks)
}

func (e *Evidence) judgeAll() {
	for i := range e.Report.Stacks {
		e.judge(&e.Report.Stacks[i])
	}
	e.judgeTogether()
}

// Anew groups and judges the stacks anew, once they have names, and makes the answer from what they were
// when it was made first. Estimates stay as they were scaled.
func (e *Evidence) Anew() *report.Diagnosis {
	r := e.Report
	all := *r
	all.Stacks = make([]report.Stack, len(r.Stacks))
	for i := range r.Stacks {
		all.Stacks[i] = e.whole(r.Stacks[i])
		all.Stacks[i].Like, all.Stacks[i].BlockList = nil, nil // those of r are made below
	}
	all.Stacks, r.Stacks = Group(all.Stacks), Group(r.Stacks)
	e.Report = &all
	e.judgeAll()
	for i := range r.Stacks {
		r.Stacks[i].Class, r.Stacks[i].LeakBytesPerSecond = all.Stacks[i].Class, all.Stacks[i].LeakBytesPerSecond
	}
	return Of(e)
}

func (e *Evidence) judge(s *report.Stack) {
	s.Class, s.LeakBytesPerSecond = "", 0
	switch {
	case s.GivenUpStacks > 0:
	case s.Inherited:
		s.Class = report.ClassInherited
	case s.Estimate != nil:
		s.LeakBytesPerSecond = e.estimated(s)
	case s.Kind == report.Grown && !e.growth():
		// The growth of malloc's heaps while windows are watched: estimates say whose it is.
	case s.Bytes+s.YoungBytes > 0 && !e.tooShort():
		e.classify(s)
	}
}

// estimated returns the rate of an estimated leak in bytes that the allocator takes. Blocks are
// taken to be as large as the survivors are on average.
func (e *Evidence) estimated(s *report.Stack) float64 {
	if !leaking(s) && !possible(s) {
		return 0
	}
	return s.Estimate.LeakBytesPerSecond.Value * e.rounding(s.Estimate)
}

// rounding is how many times as much as was asked for the allocator takes for the blocks of an
// estimate.
func (e *Evidence) rounding(est *report.Estimate) float64 {
	n := float64(est.Survivors.Blocks)
	if !e.glibc() || n == 0 || est.Survivors.Bytes == 0 {
		return 1
	}
	mean := float64(est.Survivors.Bytes) / n
	const header, least, align = 8, 32, 16
	if mean == math.Trunc(mean) { // all are of one size, most likely
		return max(least, math.Floor((mean+header+align-1)/align)*align) / mean
	}
	// On average half of the alignment is lost beside the header.
	return max(least, mean+header+align/2) / mean
}

func (e *Evidence) classify(s *report.Stack) {
	p := e.divide(s)
	taken := float64(s.Taken())
	switch {
	case taken > 0 && p.reserved >= reservedPart*taken && !(p.rate > 0 && (madeThread(s) || p.leaks >= chance)):
		s.Class = report.ClassReserved
	case taken > 0 && p.replaced >= mostlyReplaced*taken && p.leaks <= 0:
		s.Class = report.ClassReplaces
	case p.leaks <= 0:
		s.Class = report.ClassFilled
	case e.lasts(s, &p) && !e.mayReplace(s):
		s.Class = report.ClassLeak
	default:
		s.Class = report.ClassPossible
	}
	if s.Class == report.ClassLeak || s.Class == report.ClassPossible {
		s.LeakBytesPerSecond = p.rate
	}
}

// lasts reports whether a stack's growth is none of chance, or of a start: it was known early on,
// and either it has grown ever since, or blocks from early on are still there.
func (e *Evidence) lasts(s *report.Stack, p *parts) bool {
	early := lasting * e.seconds()
	return s.FollowedSeconds >= early && (p.filled == 0 || s.OldestSeconds >= early)
}

// mayReplace reports whether so many old blocks of unknown sizes were freed that the stack may
// merely replace them.
func (e *Evidence) mayReplace(s *report.Stack) bool {
	return s.Kind == report.Heap && e.OldUnsized > 0 && s.Blocks <= e.OldUnsized+e.OldUnsized/5
}

// divide says what became of a counted stack's bytes.
func (e *Evidence) divide(s *report.Stack) (p parts) {
	if s.Inherited {
		return p // the memory was there when the process began
	}
	taken := float64(s.Taken())
	p.young = float64(s.YoungBytes)
	if s.Estimate != nil || s.GivenUpStacks > 0 {
		p.filled = taken
		return p
	}
	p.reserved = min(float64(s.ReservedBytes), taken)
	p.replaced = min(float64(s.ReplacedBytes), taken-p.reserved)
	if surplus := taken - p.reserved - p.replaced; p.replaced >= mostlyReplaced*taken && surplus < chance {
		p.replaced += surplus
	}
	net := taken - p.reserved - p.replaced
	switch slope := s.GrowthBytesPerSecond; {
	case slope > 0 && e.followed(s):
		part := 1.
		if s.Bytes > 0 {
			part = net / float64(s.Bytes)
		}
		all := net + p.young*min(part, 1)
		p.leaks = min(slope*e.seconds()*part, all)
		p.rate = slope * part
		if all > 0 && p.leaks >= steady*all {
			p.leaks, p.young = all, p.young*(1-min(part, 1))
		}
		e.fill(s, &p, net)
	case s.FillBytesPerSecond > 0 && e.followed(s):
		e.fill(s, &p, net)
	case leaking(s) || possible(s): // by judgeTogether
		p.leaks, p.young = net+p.young, 0
		p.rate = p.leaks / e.seconds()
	}
	p.filled = max(net-p.leaks, 0)
	return p
}

// fill takes memory that was touched in mappings that had been made before for growth, where that
// is faster than mappings are made. net is what is in memory.
func (e *Evidence) fill(s *report.Stack, p *parts, net float64) {
	if s.FillBytesPerSecond <= p.rate {
		return
	}
	p.rate = s.FillBytesPerSecond
	if p.leaks = min(p.rate*e.seconds(), net); p.leaks >= steady*net {
		p.leaks = net
	}
}

// followed reports whether a stack has been known for long enough, and with enough blocks, for
// its slope to say anything.
func (e *Evidence) followed(s *report.Stack) bool {
	return s.FollowedSeconds >= leastFollowed && s.Bytes+s.YoungBytes > 0 && !e.tooShort() &&
		(s.Kind != report.Heap || s.AllocatedBlocks >= leastBlocks)
}

// leaking reports whether a stack is called a leak.
func leaking(s *report.Stack) bool {
	if s.Estimate != nil {
		return s.Estimate.Suspect()
	}
	return s.Class == report.ClassLeak
}

// possible reports whether a stack may be a leak.
func possible(s *report.Stack) bool {
	if s.Estimate != nil {
		return s.Estimate.Class == string(report.ClassPossible)
	}
	return s.Class == report.ClassPossible
}
