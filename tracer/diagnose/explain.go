package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"memtrace/tracer/report"
)

// These parts of a growth, 0 to 1, decide what is said of it.
const (
	// negligible is the part below which allocations explain nothing.
	negligible = 0.1
	// most is the part from which the rest goes unmentioned.
	most = 0.5
	// steady is the part of the added bytes that the slope must account for, so that all of
	// them count as steady growth. It is below 1 because a slope over few steps is rough.
	steady = 2. / 3
	// secondary is the part of the first stack's bytes that a second stack must have to be
	// named: one that adds next to nothing would only distract.
	secondary = 0.05
)

// explainer says how much of what grows is outstanding allocations that keep growing.
// Allocations made once explain nothing, however large they are: growth beside them is no
// leak, and must not look like one.
type explainer struct {
	memory *report.Memory
	// stacks are all stacks, in the order of the report, which shows the first shown of them.
	// name describes in words a stack that it does not show.
	stacks []report.Stack
	shown  int
	name   func(*report.Stack) string
	// growth is set in growth mode. There a stack's bytes are what it has added since the
	// trace began: all of them are growth, in however few steps they came.
	growth *report.Growth
	// estimated means that blocks were observed in windows of time, so that what stacks leak
	// of them is an estimate. Mappings are observed all the time.
	estimated bool
	// mapped is the bytes of mappings by the stacks that made them.
	mapped map[mappedBy]uint64
	// seconds is how long growth was observed.
	seconds float64
}

// mappedBy is the ID of a stack and a class of regions.
type mappedBy struct{ stack, class string }

// in returns how many bytes of a class of regions a stack's outstanding blocks take.
func (e *explainer) in(class string, s *report.Stack) uint64 {
	switch {
	case s.Kind == report.Grown:
		i := slices.IndexFunc(s.Grown, func(g report.ClassBytes) bool { return g.Class == class })
		if i < 0 {
			return 0
		}
		return s.Grown[i].Bytes
	case s.Kind == report.Mmap:
		return min(e.mapped[mappedBy{s.ID, class}], s.Bytes)
	case s.Served == nil:
		return 0
	case class == "brk":
		return s.Served.Brk.ChunkBytes
	case class == "arena":
		return s.Served.Arena.ChunkBytes
	case class == "malloc_mmap":
		return s.Served.Mmap.ChunkBytes
	}
	return 0
}

// explain returns the explanation, empty if nothing grows.
func (e *explainer) explain() string {
	var texts []string
	var heaps []*report.Region
	for i := range e.memory.Regions {
		r := &e.memory.Regions[i]
		if !r.Growing || r.GrowthBytes <= 0 {
			continue
		}
		switch r.Class {
		case "brk", "arena":
			if e.estimated {
				heaps = append(heaps, r)
				continue
			}
			texts = append(texts, e.class(r))
		case "malloc_mmap", "mmap", "thread_stack":
			texts = append(texts, e.class(r))
		}
	}
	if len(heaps) > 0 {
		texts = append(texts, e.estimate(heaps))
	}
	switch {
	case e.growth != nil:
		texts = append(texts, e.faultedIn()...)
	case len(texts) == 0 && !e.estimated && e.memory.ResidentGrowthBytes > 0 && strings.HasPrefix(e.memory.Verdict, "resident grows"):
		return e.resident()
	}
	return strings.Join(texts, "; ")
}

// resident explains resident growth in memory that was mapped before.
func (e *explainer) resident() string {
	var held, kept float64
	for i := range e.stacks {
		held += float64(e.stacks[i].Bytes)
		kept += e.kept(&e.stacks[i], e.stacks[i].Bytes)
	}
	switch enough := negligible * float64(e.memory.ResidentGrowthBytes); {
	case held < enough:
		return "no outstanding allocation does: fragmentation, or free memory that malloc keeps"
	case kept < enough:
		return "no outstanding allocation keeps growing: fragmentation, or memory that is allocated and used only now"
	}
	return ""
}

// faultedIn names, in growth mode, the stack that touched most of what is in memory.
func (e *explainer) faultedIn() []string {
	g := e.growth
	if !strings.Contains(e.memory.Verdict, "resident grows") || len(g.FaultStacks) == 0 || g.Faults.Bytes == 0 {
		return nil
	}
	part := 100 * float64(g.FaultStacks[0].Bytes) / float64(g.Faults.Bytes)
	return []string{fmt.Sprintf("resident: about %.0f %% of what was faulted in by F1 (estimate)", part)}
}

// kept returns how many of bytes were added by the stack's growth. bytes are all that the
// stack has, or those in one class.
func (e *explainer) kept(s *report.Stack, bytes uint64) float64 {
	if e.growth != nil {
		return float64(bytes)
	}
	if s.Bytes == 0 || s.GrowthBytesPerSecond <= 0 {
		return 0
	}
	part := float64(bytes) / float64(s.Bytes)
	return e.steadily(s.GrowthBytesPerSecond*part, float64(bytes))
}

// steadily returns how many of the added bytes came by a steady growth of rate bytes a second.
// The others came in one step, as a cache does. In growth mode they count as well.
func (e *explainer) steadily(rate, bytes float64) float64 {
	if n := rate * e.seconds; e.growth == nil && n < steady*bytes {
		return n
	}
	return bytes
}

// part is the index of a stack and what it has added to a class.
type part struct {
	stack int
	bytes float64
}

// class explains the growth of one class.
func (e *explainer) class(r *report.Region) string {
	var parts []part
	for i := range e.stacks {
		s := &e.stacks[i]
		if n := e.kept(s, e.in(r.Class, s)); n > 0 {
			parts = append(parts, part{i, n})
		}
	}
	text, all := e.by(parts, e.steadily(r.GrowthBytesPerSecond, float64(r.GrowthBytes)))
	none, rest := e.unexplained(r.Class)
	switch {
	case all < negligible:
		return r.Label + ": " + none
	case all < most:
		text += ", " + rest
	}
	return r.Label + ": " + text
}

// estimate explains the growth of malloc's heaps by the estimated leaks. How much of those
// lies in which heap is not known.
func (e *explainer) estimate(heaps []*report.Region) string {
	var labels []string
	var grown float64
	for _, r := range heaps {
		labels = append(labels, r.Label)
		grown += r.GrowthBytesPerSecond * e.seconds
	}
	var parts []part
	for i := range e.stacks {
		s := e.stacks[i].Estimate
		if s == nil || !s.Suspect() {
			continue
		}
		if n := s.LeakBytesPerSecond.Value * e.seconds; n > 0 {
			parts = append(parts, part{i, n})
		}
	}
	text, all := e.by(parts, grown)
	if all < negligible {
		text = "no stack is estimated to leak that much: fragmentation, free memory that malloc keeps, or leaks that windows of time have not made certain"
	} else {
		text += " (estimated)"
	}
	return strings.Join(labels, " and ") + ": " + text
}

// by names the two stacks that added most to a growth of so many bytes. It also returns the
// part of the growth, 0 to 1 and more, that all stacks make up.
func (e *explainer) by(parts []part, grown float64) (text string, all float64) {
	if len(parts) == 0 || grown <= 0 {
		return "", 0
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(b.bytes, a.bytes) })
	for _, p := range parts {
		all += p.bytes / grown
	}
	named := parts[:min(len(parts), 2)]
	if len(named) == 2 && named[1].bytes < secondary*named[0].bytes {
		named = named[:1]
	}
	var top float64
	for _, p := range named {
		top += p.bytes / grown
	}
	return fmt.Sprintf("explained to %.0f %% by %s", 100*min(top, 1), e.names(named)), all
}

// unexplained says what growth of a class can be other than a leak: none if nothing explains
// it, rest if something explains a part.
func (e *explainer) unexplained(class string) (none, rest string) {
	rest = "the rest by no outstanding allocation that keeps growing"
	switch {
	case e.growth != nil:
		return "no system call that was seen explains it", "the rest by no system call that was seen"
	case class == "mmap" || class == "thread_stack":
		return "no outstanding mapping that keeps growing explains it: memory that was reserved before, or of another allocator", rest
	}
	return "no outstanding allocation that keeps growing explains it: fragmentation, or free memory that malloc keeps", rest
}

// names names one stack or two: those that the report shows by their place in it.
func (e *explainer) names(parts []part) string {
	var below, others []string
	for _, p := range parts {
		if p.stack < e.shown {
			below = append(below, fmt.Sprintf("#%d", p.stack+1))
		} else {
			others = append(others, fmt.Sprintf("stack #%d, not shown (%s)", p.stack+1, e.name(&e.stacks[p.stack])))
		}
	}
	if len(below) > 0 {
		noun := "stack "
		if len(below) > 1 {
			noun = "stacks "
		}
		others = slices.Insert(others, 0, noun+strings.Join(below, " and ")+" below")
	}
	return strings.Join(others, " and ")
}
