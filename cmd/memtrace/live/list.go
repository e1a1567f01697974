package live

import (
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"memtrace/tracer/report"
)

// stacks lists the stacks of a report in so many lines, so that the selected one is on the screen.
func (m *model) stacks(r *report.Report, height int) []string {
	if height <= 0 {
		return nil
	}
	rows := m.rows(r)
	if len(rows) == 0 {
		return []string{m.line().add(dim, m.noStacks(r)).String()}
	}
	m.find(rows)
	const withHeading = 4 // lines
	heading := 0
	if height >= withHeading {
		heading = 1
	}
	m.page = height - heading
	// Frames that are shown take lines of the list, too.
	lines, at := 0, 0
	starts := make([]int, len(rows))
	for i := range rows {
		if i == m.place {
			at = lines
		}
		starts[i] = lines
		lines += 1 + m.openLines(r, &rows[i])
	}
	m.scroll(at, 1+m.openLines(r, &rows[m.place]), lines)
	first, _ := slices.BinarySearch(starts, m.top+1)
	first = max(first-1, 0)
	last, _ := slices.BinarySearch(starts, m.top+m.page)
	onScreen := rows[first:last]
	for i := range onScreen {
		r.FillIn(onScreen[i].stack)
	}
	t := m.table(onScreen, !m.histories[keyOf(r)].marked.IsZero())
	var text []string
	for i := range onScreen {
		row := &onScreen[i]
		text = append(text, m.stackLine(t, row, first+i == m.place))
		if m.open[row.series] {
			text = append(text, m.frameLines(row)...)
		}
	}
	text = text[min(m.top-starts[first], len(text)):]
	text = text[:min(m.page, len(text))]
	if heading > 0 {
		text = slices.Insert(text, 0, m.heading(t))
	}
	return text
}

// noStacks says why there is nothing in the list.
func (m *model) noStacks(r *report.Report) string {
	if m.filter != "" && len(r.Stacks) > 0 {
		return fmt.Sprintf("None of %s goes through %q.", report.Counted(uint64(len(r.Stacks)), "stack", "stacks"), report.Escape(m.filter))
	}
	return "No stack holds memory yet."
}

// openLines is how many lines the frames of a stack take.
func (m *model) openLines(r *report.Report, row *row) int {
	if !m.open[row.series] {
		return 0
	}
	r.FillIn(row.stack)
	n := len(row.stack.Frames)
	if row.stack.Truncated {
		n++
	}
	return n
}

// find finds the selected stack again. If it is no longer there, what took its place is selected.
func (m *model) find(rows []row) {
	if i := slices.IndexFunc(rows, func(r row) bool { return r.series == m.selected }); i >= 0 && m.selected != nil {
		m.place = i
	}
	m.place = min(max(m.place, 0), len(rows)-1)
	m.selected = rows[m.place].series
}

// scroll moves the list so that the lines from at on are on the screen, the first of them by all
// means.
func (m *model) scroll(at, n, lines int) {
	m.top = max(m.top, at+n-m.page)
	m.top = min(m.top, at)
	m.top = max(min(m.top, lines-m.page), 0)
}

// processes lists the processes in so many lines.
func (m *model) processes(height int) []string {
	m.page = height
	m.place = max(slices.IndexFunc(m.reports, func(r *report.Report) bool { return keyOf(r) == m.chosen }), 0)
	m.scroll(m.place, 1, len(m.reports))
	var text []string
	for i := m.top; i < len(m.reports) && i < m.top+height; i++ {
		r := m.reports[i]
		mark, st := " ", plain
		if i == m.place {
			mark, st = ">", bold
		}
		answer := fmt.Sprintf("%s (pid %d)", r.Target.Command, r.Target.PID)
		if r.Diagnosis != nil {
			answer = r.Diagnosis.Answer
		}
		l := m.line().add(st, mark)
		if drawn := m.histories[keyOf(r)].resident.spark(m.sparkWidth()); m.width > 60 {
			l.add(st, padded(drawn, m.sparkWidth(), false)+columnGap)
		}
		text = append(text, l.add(st, report.Escape(answer)).String())
	}
	return text
}

// move selects the stack or the process so many places below.
func (m *model) move(by int) tea.Cmd {
	n := len(m.reports)
	r := m.shown()
	if r != nil && r.Heap != nil && m.heap {
		m.heapTop = min(max(m.heapTop+by, 0), far)
		return nil
	}
	var rows []row
	if r != nil {
		rows = m.rows(r)
		n = len(rows)
	}
	if n == 0 {
		return nil
	}
	m.place = min(max(m.place+by, 0), n-1)
	if r != nil {
		m.selected = rows[m.place].series
	} else {
		m.chosen = keyOf(m.reports[m.place])
	}
	return nil
}

// expand shows the frames of the selected stack or hides them, or goes into the selected process.
func (m *model) expand() tea.Cmd {
	switch r := m.shown(); {
	case m.heap:
	case r == nil && m.place < len(m.reports):
		m.chosen = keyOf(m.reports[m.place])
		m.enter(m.reports[m.place])
	case r != nil && m.selected != nil && m.open[m.selected]:
		delete(m.open, m.selected)
	case r != nil && m.selected != nil:
		m.open[m.selected] = true
	}
	return nil
}

// back takes back the last of what expand, a filter and going into a process did.
func (m *model) back() tea.Cmd {
	switch {
	case m.heap:
		m.heap = false
	case m.open[m.selected]:
		delete(m.open, m.selected)
	case m.filter != "":
		m.filter = ""
	case m.inside != "":
		m.leave()
	}
	return nil
}
