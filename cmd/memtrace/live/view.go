package live

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"memtrace/tracer/report"
)

// View draws the screen.
func (m *model) View() tea.View {
	v := tea.NewView(strings.Join(m.screen(), "\n"))
	v.AltScreen = true
	return v
}

// screen is the lines of the screen, exactly as many as it has.
func (m *model) screen() []string {
	if m.width <= 0 || m.height <= 0 {
		return nil
	}
	// Of very few lines all are for the answer, unless something is asked.
	const withStatus = 3
	status := 0
	if m.height >= withStatus || m.prompt != nil {
		status = 1
	}
	lines := m.body(m.height - status)
	lines = lines[:min(len(lines), m.height-status)]
	for len(lines) < m.height-status {
		lines = append(lines, "")
	}
	if status > 0 {
		lines = append(lines, m.status())
	}
	return lines
}

// body is what stands above the last line.
func (m *model) body(height int) []string {
	switch r := m.shown(); {
	case m.help:
		return m.helpLines(height)
	case len(m.reports) == 0:
		return []string{m.line().add(dim, "looking for the first time ...").String()}
	case r == nil:
		lines := []string{m.line().add(dim, m.summary()).String()}
		return append(lines, m.processes(height-len(lines))...)
	default:
		// The head may take half of the screen.
		lines := m.head(r, max(height/2, 1))
		const airy = 16 // lines
		if height >= airy {
			lines = append(lines, "")
		}
		if m.heap && r.Heap != nil {
			return append(lines, m.grown(r, height-len(lines))...)
		}
		lines = append(lines, m.stacks(r, height-len(lines))...)
		return append(lines, m.details(r, height-len(lines))...)
	}
}

// details are the frames of the selected stack, where lines are left and they are not shown yet.
func (m *model) details(r *report.Report, height int) []string {
	const least = 4 // lines
	rows := m.rows(r)
	if height < least || m.place >= len(rows) || m.open[m.selected] {
		return nil
	}
	frames := m.frameLines(&rows[m.place])
	return append([]string{""}, frames[:min(len(frames), height-1)]...)
}

// summary says how many processes there are, and how many of them grow.
func (m *model) summary() string {
	growing := 0
	for _, r := range m.reports {
		if r.Grows() {
			growing++
		}
	}
	verb := "grow"
	if growing == 1 {
		verb = "grows"
	}
	return fmt.Sprintf("%d processes, of which %d %s. Enter shows one.", len(m.reports), growing, verb)
}

// status is the last line: a prompt, a message, or what the view is at and the keys.
func (m *model) status() string {
	l := m.line()
	if m.prompt != nil {
		return l.add(bold, m.prompt.draw(m.width)).String()
	}
	if m.paused {
		l.add(alarm, "PAUSED  ")
	}
	if m.notice.text != "" && time.Now().Before(m.notice.until) {
		return l.add(bold, m.notice.text).String()
	}
	for _, part := range m.state() {
		l.add(bold, part+"  ")
	}
	for _, k := range keys {
		if k.short == "" {
			continue
		}
		name, _, _ := strings.Cut(k.shown, ",")
		text := name + " " + k.short
		if report.Columns(text) > l.left {
			continue
		}
		l.add(dim, text)
		l.add(dim, columnGap)
	}
	return l.String()
}

// state is what was chosen by keys, and how often the view looks if that is seldom.
func (m *model) state() (parts []string) {
	if m.sorted > 0 {
		parts = append(parts, "by "+m.sort())
	}
	if m.filter != "" {
		parts = append(parts, fmt.Sprintf("filter %q", report.Escape(m.filter)))
	}
	if r := m.shown(); r != nil {
		if len(m.reports) > 1 {
			parts = append(parts, "Esc back")
		}
		if at := m.histories[keyOf(r)].marked; !at.IsZero() {
			parts = append(parts, "mark "+report.Seconds(r.End.Sub(at).Seconds())+" ago")
		}
	}
	const seldom = 2 * leastInterval
	if m.every >= seldom {
		parts = append(parts, "a look every "+report.Seconds(m.every.Seconds()))
	}
	return parts
}

// helpLines explain keys and columns.
func (m *model) helpLines(height int) []string {
	widest := 0
	for _, k := range keys {
		widest = max(widest, report.Columns(k.shown))
	}
	var lines []string
	for _, k := range keys {
		if k.shown == "" {
			continue
		}
		lines = append(lines, m.line().add(bold, padded(k.shown, widest, false)+columnGap).add(plain, k.help).String())
	}
	lines = append(lines, "")
	for _, text := range []string{
		"The bars are the last looks, the newest on the right: what a stack held, or in windows of time how fast it is estimated to leak. [low - high] is a 95 % interval. * marks the function of the program.",
		"Looks come once a second, or less often where they are costly. docs/MANUAL.md has more. Any key goes back.",
	} {
		for _, part := range wrap(text, m.width, height, "") {
			lines = append(lines, m.line().add(dim, part).String())
		}
	}
	return lines
}
