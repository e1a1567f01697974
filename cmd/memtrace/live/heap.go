package live

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"memtrace/tracer/report"
)

// heapOf says of a report in a line what the last look at the heap has shown, and how long ago that was.
func (m *model) heapOf(r *report.Report) string {
	h := r.Heap
	if h == nil || m.heap {
		return ""
	}
	text := h.Unlooked()
	switch {
	case h.Looks >= 3:
		text = report.Counted(uint64(max(h.GrowingTotal, 0)), "group grows", "groups grow") + " (H lists them)"
	case h.Looks > 0:
		text = "what grows shows from the third look on"
	}
	return m.line().add(plain, "heap: "+text).add(dim, ago(r)).String()
}

// ago says how old the last look at the heap is, to go on after something else.
func ago(r *report.Report) string {
	age := r.Heap.Age(r.End)
	if age == "" {
		return ""
	}
	return fmt.Sprintf(", by look %s, %s ago", report.Count(uint64(r.Heap.Looks)), age)
}

// grown lists what grows in the heap, in place of the stacks.
func (m *model) grown(r *report.Report, height int) []string {
	if height <= 0 {
		return nil
	}
	const withHeading = 4 // lines
	var text []string
	if height >= withHeading {
		text = append(text, m.line().add(bold, "What grows in the heap").add(dim, ago(r)+"  (H goes back)").String())
	}
	m.page = height - len(text)
	lines := report.HeapLines(r, m.width)
	m.heapTop = max(min(m.heapTop, len(lines)-m.page), 0)
	for _, line := range lines[m.heapTop:min(m.heapTop+m.page, len(lines))] {
		text = append(text, m.line().add(plain, line).String())
	}
	return text
}

// showHeap lists what grows in the heap, or the stacks again.
func (m *model) showHeap() tea.Cmd {
	switch r := m.shown(); {
	case m.heap:
		m.heap = false
	case r == nil:
		m.say("H is for one process: Enter shows one")
	case r.Heap == nil:
		m.say("the heap is looked at with --heap")
	default:
		m.heap, m.heapTop = true, 0
	}
	return nil
}
