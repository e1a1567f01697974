package live

import (
	"strings"

	"memtrace/tracer/report"
)

// style is the terminal sequence that switches a style on.
type style string

const (
	plain style = ""
	bold  style = "\x1b[1m"
	dim   style = "\x1b[2m"
	alarm style = "\x1b[1;31m"

	styleOff = "\x1b[0m"
)

// line is a line of the screen in the making. It never gets wider than the screen.
type line struct {
	text  strings.Builder
	left  int
	color bool
}

func (m *model) line() *line { return &line{left: m.width, color: m.cfg.Color} }

// add appends text that is safe for a terminal. What does not fit is cut, with an ellipsis.
func (l *line) add(st style, text string) *line {
	text = report.Cut(text, l.left)
	l.left -= report.Columns(text)
	if text == "" {
		return l
	}
	if st == plain || !l.color {
		l.text.WriteString(text)
		return l
	}
	l.text.WriteString(string(st) + text + styleOff)
	return l
}

func (l *line) String() string { return l.text.String() }

// wrap breaks safe text at spaces into lines of at most width columns, those after the first
// indented. Of more than most lines the last one ends in an ellipsis.
func wrap(text string, width, most int, indent string) []string {
	if width <= 0 || most <= 0 {
		return nil
	}
	var lines []string
	current := ""
	words := strings.Fields(text)
	for i, word := range words {
		joined := word
		switch {
		case current != "" && strings.TrimSpace(current) != "":
			joined = current + " " + word
		case len(lines) > 0:
			joined = indent + word
		}
		if report.Columns(joined) <= width || strings.TrimSpace(current) == "" {
			current = joined
			continue
		}
		if len(lines) == most-1 {
			return append(lines, report.Cut(current+" "+strings.Join(words[i:], " "), width))
		}
		lines = append(lines, report.Cut(current, width))
		current = indent + word
	}
	if current != "" {
		lines = append(lines, report.Cut(current, width))
	}
	return lines
}

// padded appends spaces up to n columns, or puts them before if right is set.
func padded(text string, n int, right bool) string {
	space := strings.Repeat(" ", max(0, n-report.Columns(text)))
	if right {
		return space + text
	}
	return text + space
}
