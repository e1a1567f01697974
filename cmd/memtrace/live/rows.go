package live

import (
	"fmt"
	"slices"
	"strings"

	"memtrace/tracer/report"
)

// row is a stack as it is listed.
type row struct {
	stack  *report.Stack
	of     *report.Report
	series *series
	// number is the stack's place in the report, from 1 on.
	number int
}

// rows returns the stacks that pass the filter.
func (m *model) rows(r *report.Report) []row {
	h := m.histories[keyOf(r)]
	wanted := strings.ToLower(m.filter)
	list := make([]row, 0, len(r.Stacks))
	for i := range r.Stacks {
		s := &r.Stacks[i]
		if wanted != "" {
			r.FillIn(s)
			if !slices.ContainsFunc(s.Frames, func(f report.Frame) bool {
				return strings.Contains(strings.ToLower(f.Function), wanted) || strings.Contains(strings.ToLower(f.Module), wanted)
			}) {
				continue
			}
		}
		list = append(list, row{stack: s, of: r, series: h.rows[i], number: i + 1})
	}
	return list
}

// rate says how fast a stack leaks. Of an estimate it has the bounds.
func rate(s *report.Stack) string {
	switch {
	case s.Estimate != nil:
		b := s.EstimatedRate()
		return report.RateWithin(b.Value, b.Low, b.High)
	case s.LeakBytesPerSecond > 0:
		return report.Rate(s.LeakBytesPerSecond)
	}
	return ""
}

// held says how much a stack holds. Of an estimate that is not known.
func held(s *report.Stack) string {
	if s.Estimate != nil {
		return ""
	}
	return report.Size(s.Bytes)
}

// blocks says how many blocks a stack holds, or how many survivors there are.
func blocks(s *report.Stack) string {
	if s.Estimate != nil {
		return report.Count(s.Estimate.Survivors.Blocks) + " seen"
	}
	return report.Count(s.Blocks)
}

// sinceMark says how much of what a stack holds was allocated since the mark.
func sinceMark(r *row) string {
	if r.of.SinceMark == nil {
		return "unknown"
	}
	return report.Size(r.stack.SinceMarkBytes)
}

// counted is a figure of stacks that were counted. Of an estimate it is not known.
func counted(text func(*row) string) func(*row) string {
	return func(r *row) string {
		if r.stack.Estimate != nil {
			return ""
		}
		return text(r)
	}
}

// survival says which part of a stack's allocations is still there.
func survival(r *row) string {
	if e := r.stack.Estimate; e != nil {
		return report.Percent(e.Survival)
	}
	return report.Percent(r.stack.Survival)
}

// allocates says how much a stack allocates, freed or not.
func allocates(r *row) string {
	if r.of.DurationSeconds <= 0 {
		return ""
	}
	return report.Rate(float64(r.stack.AllocatedBytes) / r.of.DurationSeconds)
}

// thread names the thread that has allocated most of what a stack holds.
func thread(r *row) string {
	if len(r.stack.Threads) == 0 {
		return ""
	}
	return r.stack.Threads[0].Label()
}

// culprit names the function of the program, its caller, and where the function is; each may be
// "".
func culprit(s *report.Stack) (name, caller, place string) {
	switch {
	case s.GivenUpStacks > 0:
		return "(stacks given up for want of memory)", "", ""
	case len(s.Frames) == 0:
		return "(no call stack)", "", ""
	}
	at := min(max(s.OwnFrame, 0), len(s.Frames)-1)
	name, place = s.Frames[at].Shown()
	if at+1 < len(s.Frames) && !s.Frames[at+1].Library {
		caller, _ = s.Frames[at+1].Shown()
	}
	if i := strings.LastIndexByte(place, '/'); i >= 0 {
		place = place[i+1:]
	}
	return name, caller, place
}

// column is a figure of each stack.
type column struct {
	title string
	text  func(*row) string
	right bool
	// since: it is shown while there is a mark. order is that of the stacks in which it is shown; with
	// neither it always is. dropped is at which width of the screen, or less, it is left out.
	since   bool
	order   string
	dropped int
}

func (m *model) columns(estimated bool) []column {
	spark, rateTitle := m.sparkWidth(), "leak rate"
	if estimated {
		rateTitle += " [95 % interval]"
	}
	return []column{
		{title: "#", right: true, text: func(r *row) string { return fmt.Sprint(r.number) }, dropped: 30},
		{title: "", text: func(r *row) string { return r.stack.BriefVerdict() }, dropped: 60},
		{title: rateTitle, right: true, text: func(r *row) string { return rate(r.stack) }, dropped: 25},
		{title: "holds", right: true, text: func(r *row) string { return held(r.stack) }, dropped: 50},
		{title: "blocks", right: true, text: func(r *row) string { return blocks(r.stack) }, dropped: 90},
		{title: "since mark", right: true, since: true, order: "since-mark", text: sinceMark, dropped: 40},
		{title: "growth", right: true, order: "growth", text: counted(func(r *row) string { return report.Rate(r.stack.GrowthBytesPerSecond) }), dropped: 40},
		{title: "survival", right: true, order: "survival", text: survival, dropped: 40},
		{title: "at the peak", right: true, order: "peak", text: counted(func(r *row) string { return report.Size(r.stack.PeakBytes) }), dropped: 40},
		{title: "temporary", right: true, order: "temporary", text: counted(func(r *row) string { return report.Count(r.stack.TemporaryBlocks) }), dropped: 40},
		{title: "allocates", right: true, order: "rate", text: counted(allocates), dropped: 40},
		{title: "thread", order: "thread", text: thread, dropped: 55},
		{title: "looks", text: func(r *row) string { return r.series.spark(spark) }, dropped: 55},
	}
}

// table lays out the columns of the rows that are on the screen.
type table struct {
	columns []column
	widths  []int
}

func (m *model) table(rows []row, marked bool) table {
	estimated := slices.ContainsFunc(rows, func(r row) bool { return r.stack.Estimate != nil })
	var t table
	for _, c := range m.columns(estimated) {
		shown := c.since && marked || c.order == m.sort() || !c.since && c.order == ""
		if m.width <= c.dropped || !shown {
			continue
		}
		width, empty := report.Columns(c.title), true
		for i := range rows {
			text := c.text(&rows[i])
			width, empty = max(width, report.Columns(text)), empty && text == ""
		}
		if empty {
			continue
		}
		t.columns, t.widths = append(t.columns, c), append(t.widths, width)
	}
	return t
}

const columnGap = "  "

// heading is the line above the stacks.
func (m *model) heading(t table) string {
	l := m.line().add(dim, " ")
	for i, c := range t.columns {
		l.add(dim, padded(c.title, t.widths[i], c.right)+columnGap)
	}
	return l.add(dim, "function < caller").String()
}

// stackLine is the line of a stack.
func (m *model) stackLine(t table, r *row, selected bool) string {
	mark, st := " ", plain
	if selected {
		mark, st = ">", bold
	}
	l := m.line().add(st, mark)
	for i, c := range t.columns {
		l.add(st, padded(c.text(r), t.widths[i], c.right)+columnGap)
	}
	name, caller, place := culprit(r.stack)
	l.add(st, report.ShortName(name, max(l.left, 1)))
	const before = " < "
	if least := len(before) + 4; caller != "" && l.left >= least {
		const readable = 24 // columns; of less the start says more than both ends
		l.add(st, before+report.ShortName(caller, max(l.left-len(before), readable)))
	}
	if place != "" && report.Columns(place)+len(columnGap) <= l.left {
		l.add(dim, columnGap+place)
	}
	return l.String()
}

// frameLines are the lines of a stack's frames, the places in a column of their own.
func (m *model) frameLines(r *row) []string {
	const indent, withPlaces = "     ", 40 // columns of the screen
	frames := r.stack.Frames
	room, widest := m.width-len(indent)-len(columnGap), 0
	for i := range frames {
		name, _ := frames[i].Shown()
		widest = max(widest, report.Columns(name))
	}
	if m.width >= withPlaces {
		room = room * 2 / 3
		widest = min(widest, room)
	} else {
		room, widest = room+len(columnGap), 0
	}
	var lines []string
	for i := range frames {
		f := &frames[i]
		name, place := f.Shown()
		lead, st := indent, plain
		switch {
		case i == r.stack.OwnFrame && !f.Library:
			lead, st = indent[2:]+"* ", bold
		case f.Library:
			st = dim
		}
		l := m.line().add(plain, lead).add(st, padded(report.ShortName(name, max(room, 1)), widest, false))
		if place != "" && m.width >= withPlaces {
			l.add(dim, columnGap+place)
		}
		lines = append(lines, l.String())
	}
	if r.stack.Truncated {
		lines = append(lines, m.line().add(dim, indent+"callers beyond are unknown").String())
	}
	return lines
}
