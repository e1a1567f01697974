package report

import (
	"bytes"
	"io"
	"regexp"
	"strings"
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

// span is a piece of a line in one style. Its text is already escaped.
type span struct {
	text  string
	style style
}

// texts returns plain spans.
func texts(ss ...string) []span {
	spans := make([]span, len(ss))
	for i, s := range ss {
		spans[i].text = s
	}
	return spans
}

// printer collects lines of at most width columns.
type printer struct {
	buf bytes.Buffer
	// w is the writer that spill writes to, or nil for none; err is its error.
	w       io.Writer
	err     error
	width   int
	color   bool
	current style // the style in force at the end of buf
}

// put writes a span to the current line.
func (p *printer) put(s span) {
	p.switchTo(s.style)
	p.buf.WriteString(s.text)
}

// switchTo sets the style of what follows.
func (p *printer) switchTo(st style) {
	if !p.color || st == p.current {
		return
	}
	if p.current != plain {
		p.buf.WriteString(styleOff)
	}
	p.buf.WriteString(string(st))
	p.current = st
}

// newline ends the current line and any style with it.
func (p *printer) newline() {
	p.switchTo(plain)
	p.buf.WriteByte('\n')
}

// lines is how many lines are in the buffer.
func (p *printer) lines() int { return bytes.Count(p.buf.Bytes(), []byte{'\n'}) }

// line writes spans that are known to fit together.
func (p *printer) line(spans ...span) {
	for _, s := range spans {
		p.put(s)
	}
	p.newline()
}

// flow writes lead and then the items, separated by gap. When a line is full it continues on
// the next, indented by indent or by the width of lead, whichever is more. Items that fit a
// line are kept whole.
func (p *printer) flow(lead span, indent int, gap string, items ...span) {
	p.put(lead)
	col := columns(lead.text)
	indent = max(indent, col)
	first := true
	for _, it := range breakWide(items, p.width-indent, gap) {
		n, gap := columns(it.text), it.gap
		switch {
		case first:
		case col+len(gap)+n > p.width:
			p.newline()
			p.buf.WriteString(strings.Repeat(" ", indent))
			col = indent
		default:
			if it.style != p.current {
				p.switchTo(plain)
			}
			p.buf.WriteString(gap)
			col += len(gap)
		}
		p.put(it.span)
		col += n
		first = false
	}
	p.newline()
}

// paragraph writes text after lead, wrapped at spaces.
func (p *printer) paragraph(lead span, text string, st style) {
	var items []span
	words := strings.Fields(text)
	for i := 0; i < len(words); i++ {
		word := words[i]
		if i+1 < len(words) && number.MatchString(word) && unitAfter.MatchString(words[i+1]) {
			i++
			word += " " + words[i] // a number stays on the line of its unit
		}
		items = append(items, span{word, st})
	}
	p.flow(lead, 0, " ", items...)
}

var (
	number    = regexp.MustCompile(`^[(\[~-]*[0-9][0-9.,]*$`)
	unitAfter = regexp.MustCompile(`^([KMGTPE]i)?B(/[smh]|/min)?[).,:;]*$|^(ms|s|min|h|d|%)[).,:;]*$`)
)

// piece is what stays on one line, and the gap before it, unless it begins one.
type piece struct {
	span
	gap string
}

// breakWide splits the items that take more than width columns: at spaces, and within words
// that are still too wide. There is a gap between items.
func breakWide(items []span, width int, gap string) []piece {
	var out []piece
	for _, it := range items {
		if columns(it.text) <= width {
			out = append(out, piece{it, gap})
			continue
		}
		before := gap
		for _, word := range strings.Fields(it.text) {
			for word != "" {
				head := headWithin(word, width)
				out = append(out, piece{span{head, it.style}, before})
				word, before = word[len(head):], " "
			}
		}
	}
	return out
}

// joined appends mark, a comma or a semicolon, to every item but the last.
func joined(mark string, items []span) []span {
	for i := range len(items) - 1 {
		items[i].text += mark
	}
	return items
}
