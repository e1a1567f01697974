package report

import (
	"fmt"
	"strconv"
	"strings"
)

// segmentWidth is the width in columns of the addresses in front of a segment's class.
const segmentWidth = 29

// alike is a group of n growing segments that differ only in their addresses. The Segment is
// the first of them.
type alike struct {
	Segment
	n int
}

// fold groups segments that are alike, in the order of the first of each group.
func fold(segments []Segment) (groups []alike) {
	place := make(map[Segment]int)
	for _, s := range segments {
		key := s
		key.Start, key.End = 0, 0
		i, ok := place[key]
		if !ok {
			i = len(groups)
			place[key] = i
			groups = append(groups, alike{Segment: s})
		}
		groups[i].n++
	}
	return groups
}

// segments lists the growing segments, those that are alike in one line. It names who mapped
// them by reference to the stacks that were shown.
func (p *printer) segments(m *Memory, stacks []Stack, opt TextOptions) {
	groups := fold(m.Segments)
	if opt.Top > 0 && opt.Top < len(groups) {
		groups = groups[:opt.Top]
	}
	if len(groups) == 0 {
		return
	}
	p.newline()
	p.line(span{"Growing segments", bold})
	shown := 0
	for i := range groups {
		const most, after = 3, 1 // lines of a segment, and of the sum of the others
		if opt.Height > 0 && shown > 0 && p.lines()+most+after+2*len(m.Notes) > opt.Height {
			break
		}
		p.segment(&groups[i])
		p.origin(&groups[i].Segment, stacks)
		shown += groups[i].n
	}
	if hidden := max(m.SegmentsTotal, len(m.Segments)) - shown; hidden > 0 {
		p.paragraph(span{text: "  "}, "and "+counted(uint64(hidden), "more segment"), plain)
	}
}

// segment writes where the segments of a group are and how they have grown.
func (p *printer) segment(s *alike) {
	items := []span{
		{text: pad(cutRight(escape(s.Label), labelWidth-1), labelWidth-1)},
		{text: fmt.Sprintf("%9s -> %9s", Size(s.ThenBytes), Size(s.NowBytes))},
	}
	if s.Class == "malloc_mmap" {
		items = append(items, span{text: counted(uint64(max(s.Count, 0)), "chunk")})
	}
	address := func(a uint64) string { return fmt.Sprintf("%012s", strconv.FormatUint(a, 16)) }
	lead := "  " + address(s.Start) + "-" + address(s.End)
	if s.n > 1 {
		lead = "  " + counted(uint64(s.n), "segment") + ", each"
	}
	if p.width < defaultWidth {
		p.line(span{text: lead})
		lead = "    "
		for i := range items {
			items[i].text = strings.Join(strings.Fields(items[i].text), " ")
		}
	} else {
		lead = pad(lead, segmentWidth-2) + "  "
	}
	p.flow(span{text: lead}, 4, "  ", items...)
}

// origin writes who mapped a segment, and which file it maps.
func (p *printer) origin(s *Segment, stacks []Stack) {
	by := ""
	if s.Origin != "" {
		by = "mapped by " + escape(s.Origin)
	}
	for i := range stacks {
		if stacks[i].ID == s.Stack {
			by = fmt.Sprintf("mapped by stack #%d above", i+1)
		}
	}
	if by != "" {
		p.flow(span{text: "    "}, 4, " ", span{text: cutRight(by, p.width-4)})
	}
	if s.Name != "" && s.Name[0] == '/' {
		p.flow(span{text: "    "}, 4, " ", span{text: shortenPath(escape(s.Name), p.width-4)})
	}
}
