package tracer

import (
	"fmt"
	"strings"

	"memtrace/tracer/report"
)

// wayOf returns what of a stack's outstanding bytes lies in a class of regions.
func wayOf(class string, s *report.Stack) uint64 {
	switch {
	case s.Kind == report.Grown:
		for _, g := range s.Grown {
			if g.Class == class {
				return g.Bytes
			}
		}
		return 0
	case class == "mmap" && s.Kind == report.Mmap:
		return s.Bytes
	case s.Served == nil:
		return 0
	case class == "brk":
		return s.Served.Brk.Bytes
	case class == "arena":
		return s.Served.Arena.Bytes
	case class == "malloc_mmap":
		return s.Served.Mmap.Bytes
	}
	return 0
}

// wording is what there is to say of growth that no stack accounts for.
type wording struct{ none, rest string }

var (
	ofAllocations = wording{
		none: "no outstanding allocation explains it: fragmentation, or free memory that malloc keeps",
		rest: "by no outstanding allocation",
	}
	ofGrowth = wording{none: "no system call that was seen explains it", rest: "by no system call that was seen"}
)

// explain says how much of what grows is outstanding allocations, of which the
// stacks are all and in the order of the report. Growth without such is no leak,
// and is not to look like one. It is empty where nothing grows.
func explain(m *report.Memory, stacks []report.Stack) string {
	var texts []string
	for i := range m.Regions {
		r := &m.Regions[i]
		switch r.Class {
		case "brk", "arena", "malloc_mmap", "mmap":
		default:
			continue
		}
		if r.Growing && r.GrowthBytes > 0 {
			texts = append(texts, explainClass(r, stacks, ofAllocations))
		}
	}
	if len(texts) == 0 && m.ResidentGrowthBytes > 0 && strings.HasPrefix(m.Verdict, "resident grows") {
		var held uint64
		for i := range stacks {
			held += stacks[i].Bytes
		}
		if held < uint64(m.ResidentGrowthBytes)/10 {
			return "no outstanding allocation does: fragmentation, or free memory that malloc keeps"
		}
	}
	return strings.Join(texts, "; ")
}

// explainGrowth is explain for a report in growth mode: it names the stacks that made
// each class grow, and the one that touched most of what is in memory since.
func explainGrowth(m *report.Memory, r *report.Report) string {
	var texts []string
	for i := range m.Regions {
		c := &m.Regions[i]
		switch c.Class {
		case "brk", "arena", "malloc_mmap", "mmap", "thread_stack":
			if c.Growing && c.GrowthBytes > 0 {
				texts = append(texts, explainClass(c, r.Stacks, ofGrowth))
			}
		}
	}
	if g := r.Growth; strings.Contains(m.Verdict, "resident grows") && len(g.FaultStacks) > 0 && g.Faults.Bytes > 0 {
		texts = append(texts, fmt.Sprintf("resident: about %.0f %% of what was faulted in by F1 (estimate)",
			100*float64(g.FaultStacks[0].Bytes)/float64(g.Faults.Bytes)))
	}
	return strings.Join(texts, "; ")
}

// explainClass names the two stacks that hold most of a class that has grown.
func explainClass(r *report.Region, stacks []report.Stack, words wording) string {
	first, second := -1, -1
	var all uint64
	bytes := func(i int) uint64 {
		if i < 0 {
			return 0
		}
		return wayOf(r.Class, &stacks[i])
	}
	for i := range stacks {
		n := bytes(i)
		all += n
		switch {
		case n == 0:
		case n > bytes(first):
			first, second = i, first
		case n > bytes(second):
			second = i
		}
	}
	part := func(n uint64) float64 { return min(float64(n)/float64(r.GrowthBytes), 1) }
	if part(all) < 0.1 {
		return r.Label + ": " + words.none
	}
	names := fmt.Sprintf("stack #%d", first+1)
	top := bytes(first)
	// A second stack that adds next to nothing would only distract.
	if n := bytes(second); n*20 > top {
		names = fmt.Sprintf("stacks #%d and #%d", first+1, second+1)
		top += n
	}
	text := fmt.Sprintf("%s: explained to %.0f %% by %s below", r.Label, 100*part(top), names)
	if part(all) < 0.5 {
		text += ", the rest " + words.rest
	}
	return text
}
