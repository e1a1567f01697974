package html

import (
	"strings"

	"memtrace/tracer/report"
)

const (
	// mostGroups is how many groups of blocks a page lists, mostSources how many stacks of one, and
	// mostNamed how many functions of such a stack.
	mostGroups, mostSources, mostNamed = 64, 4, 3
)

// groups is what the page says of what grows in a heap.
type groups struct {
	Groups []group
	// None is said where there are none, More where there are more.
	None, More string
	// Remarks are notes, and what suppressions hide.
	Remarks []string
}

// group is blocks of a size, a kind and a holder. Class is that of its row.
type group struct {
	Name, Class, Held string
	Why               []string
	Rate, Limits      string
	Judged, Now       string
	Stacks, Alike     []source
	// Others is said of blocks whose stack is not known.
	Others string
}

// source is a stack that allocates blocks of a group. Number is its place in the table of stacks, 0 if
// it is not there. By is "allocated by", or "perhaps" that.
type source struct {
	Number           int
	By, Names, Share string
}

// beside is what the page says of looks at the heap beside a trace.
type beside struct {
	groups
	Seen, Unread string
	Looked       bool
}

func newBeside(r *report.Report) *beside {
	if r.Heap == nil {
		return nil
	}
	h := r.Heap.Numbered(r)
	b := &beside{Looked: h.Looks > 0}
	b.remarks(h.Notes, h.Suppressed)
	if !b.Looked {
		b.Unread = h.Unlooked()
		return b
	}
	b.Seen, b.Unread, b.None = h.Seen(), report.Escape(h.Unread), h.Found()
	if age := h.Age(r.End); age != "" {
		b.Seen += "; the last look was " + age + " before this report"
	}
	for i := range h.Growing[:min(len(h.Growing), mostGroups)] {
		b.Groups = append(b.Groups, originOf(r, &h.Growing[i]))
	}
	if h.Focus != nil {
		b.Remarks = append(b.Remarks, h.Focus.Words())
	}
	if more := h.GrowingTotal - len(b.Groups); more > 0 {
		b.More = report.Counted(uint64(more), "more group grows", "more groups grow") + "."
	}
	return b
}

// remarks fills in what is said behind all else.
func (g *groups) remarks(notes []string, hidden []report.Suppressed) {
	for _, n := range notes {
		g.Remarks = append(g.Remarks, report.Escape(n))
	}
	for i := range hidden {
		g.Remarks = append(g.Remarks, "suppressed: "+hidden[i].Hidden())
	}
}

// moreOf says how many entries a list leaves out, "" for none.
func moreOf(all, shown int) string {
	if all <= shown {
		return ""
	}
	return report.Count(uint64(all-shown)) + " more (-T 0 lists all that are known)."
}

// groupOf is a group with its rate cut in two: the limits are smaller.
func groupOf(g *report.HeapGrowth) group {
	one := group{Name: g.Name(), Held: g.HeldBy(), Why: g.Why(), Judged: g.Judged(), Now: g.Now.String()}
	one.Rate, one.Limits, _ = strings.Cut(g.Rate(), " [")
	one.Limits = strings.TrimSuffix(one.Limits, "]")
	if g.Now.Blocks == 0 {
		one.Now = ""
	}
	switch g.Class {
	case report.HeapSteady:
		one.Class = "grew"
	case report.HeapFilling, report.HeapUnknown:
		one.Class = "may"
	}
	return one
}

// originOf is a group with the stacks that allocate it.
func originOf(r *report.Report, g *report.HeapOrigin) group {
	one := groupOf(&g.HeapGrowth)
	add := func(to *[]source, from []report.HeapSource, share func(*report.HeapSource) string) {
		for i := range from[:min(len(from), mostSources)] {
			s := &from[i]
			*to = append(*to, source{s.Number, s.By(), s.Names(mostNamed), share(s)})
		}
		if n := len(from) - mostSources; n > 0 {
			one.Why = append(one.Why, report.Counted(uint64(n), "stack", "stacks")+" more allocate some")
		}
	}
	if g.Traced > 0 {
		add(&one.Stacks, g.AllocatedBy, func(s *report.HeapSource) string { return g.Share(r, s) })
	} else {
		add(&one.Alike, g.LooksLike, (*report.HeapSource).Alike)
	}
	one.Others = g.Others(r)
	return one
}
