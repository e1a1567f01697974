package report

import (
	"fmt"
	"io"
	"time"
)

// Text lays out for these widths: the one it assumes by default, and the smallest that its
// figures fit into.
const (
	defaultWidth = 80
	minWidth     = 40
)

// TextOptions says how Text renders. The zero value is a plain report of all
// stacks, 80 columns wide.
type TextOptions struct {
	// Width is the number of columns no line exceeds: 80 if 0, at least 40.
	Width int
	// Color allows terminal sequences for bold, dim and red.
	Color bool
	// Top is how many stacks are shown, 0 for all in the report. The others are summed up in
	// one line.
	Top int
	// Frames is how many frames of a stack are shown, counted from the caller of the
	// allocation function, 0 for all. A run of identical frames counts as one.
	Frames int
	// Verbose adds the executable, the rarer event counts, stack IDs with their totals of
	// allocations, and each frame's address and module.
	Verbose bool
}

// Text writes the report for people to read. Names that do not fit the width are cut; the
// other forms have them whole. Errors come only from w.
func Text(w io.Writer, r *Report, opt TextOptions) error {
	p := newPrinter(opt)
	p.w = w
	list := sections
	if r.Growth != nil {
		list = growthSections
	}
	for _, s := range list {
		s(p, r, opt)
	}
	return p.flush(w)
}

// section writes a part of the text form, or nothing where a report has nothing for it.
type section func(p *printer, r *Report, opt TextOptions)

// sections are those of a trace, in their order; growthSections those of growth alone.
var (
	sections = []section{
		(*printer).target,
		(*printer).events,
		(*printer).sampling,
		(*printer).trouble,
		(*printer).totals,
		(*printer).split,
		(*printer).verdict,
		(*printer).suspects,
		(*printer).stacks,
		(*printer).surroundings,
		(*printer).notes,
	}
	growthSections = []section{
		(*printer).target,
		(*printer).watched,
		(*printer).growthTrouble,
		(*printer).grownTotals,
		(*printer).verdict,
		(*printer).grownStacks,
		(*printer).faultStacks,
		(*printer).surroundings,
		(*printer).notes,
	}
)

func newPrinter(opt TextOptions) *printer {
	p := &printer{width: defaultWidth, color: opt.Color}
	if opt.Width > 0 {
		p.width = max(opt.Width, minWidth)
	}
	return p
}

// spill writes out what was printed so far, once that is much.
func (p *printer) spill() {
	const much = 64 << 10
	if p.w == nil || p.buf.Len() < much || p.err != nil {
		return
	}
	_, p.err = p.w.Write(p.buf.Bytes())
	p.buf.Reset()
}

// flush writes out what is still buffered.
func (p *printer) flush(w io.Writer) error {
	if p.err != nil {
		return fmt.Errorf("write text report: %w", p.err)
	}
	if _, err := w.Write(p.buf.Bytes()); err != nil {
		return fmt.Errorf("write text report: %w", err)
	}
	return nil
}

// target writes what was traced.
func (p *printer) target(r *Report, opt TextOptions) {
	t := r.Target
	lead := span{"memtrace: ", bold}
	items := []span{{fmt.Sprintf("%s (pid %d)", cutRight(escape(t.Command), p.width/2), t.PID), bold}}
	if t.Allocator != "" || t.Libc != "" {
		items[0].text += ","
	}
	if t.Allocator != "" {
		items = append(items, span{text: cutRight(escape(t.Allocator), p.width/4)})
	}
	if t.Libc != "" {
		// The library's path gives way first, down to a line of its own.
		room := p.width - columns(lead.text)
		left := room
		for _, it := range items {
			left -= columns(it.text) + 1
		}
		if left >= p.width/4 {
			room = left
		}
		items = append(items, span{shortenPath(escape(t.Libc), room), dim})
	}
	p.flow(lead, 0, " ", items...)
	if opt.Verbose && t.Exe != "" {
		p.line(span{text: "executable " + shortenPath(escape(t.Exe), p.width-11)})
	}
}

// events writes how long the process was traced and what was observed.
func (p *printer) events(r *Report, opt TextOptions) {
	when := "traced " + seconds(r.DurationSeconds)
	if !r.End.IsZero() {
		when += " to " + r.End.Format(time.DateTime+" MST")
	}
	items := texts(escape(when))
	switch r.Mode {
	case "", ModeWindows:
	case ModeExact:
		items = append(items, texts("every call")...)
	default:
		items = append(items, texts("mode "+escape(r.Mode))...)
	}
	p.flow(span{}, 0, " ", joined(",", items)...)

	e := r.Events
	items = nil
	if r.Mode != ModeWindows {
		items = texts(counted(e.Alloc, "allocation"), counted(e.Free, "free"))
	}
	for _, c := range []struct {
		n    uint64
		noun string
		rare bool
	}{
		{e.Realloc, "realloc", false},
		{e.Mmap, "mmap", false},
		{e.Munmap, "munmap", false},
		{e.Mremap, "mremap", true},
		{e.Brk, "brk call", true},
		{e.Mprotect, "mprotect", true},
		{e.UnknownFree, "unmatched free", true},
	} {
		if c.n > 0 && (opt.Verbose || !c.rare) {
			items = append(items, span{text: counted(c.n, c.noun)})
		}
	}
	if r.Complete && !e.Lost.Any() {
		items = append(items, span{text: "nothing lost"})
	}
	p.flow(span{}, 0, " ", joined(",", items)...)
}

// trouble writes what limits the figures below, if anything.
func (p *printer) trouble(r *Report, _ TextOptions) {
	if r.Target.Exited {
		text := r.Target.ended()
		if r.Young.Blocks == 0 {
			text += ": everything allocated while traced and never freed is shown"
		}
		p.paragraph(span{}, text, plain)
	}
	if n := r.Events.Evicted; n > 0 {
		p.paragraph(span{}, counted(n, "block")+" dropped whose address was handed out again"+
			" although no free was seen", plain)
	}
	if text := losses(r); text != "" {
		p.newline()
		p.paragraph(span{"INCOMPLETE: ", alarm}, text, alarm)
	}
}

// losses says in words what was lost and how that affects the figures. It is empty for a
// complete report.
func losses(r *Report) string {
	l := r.Events.Lost
	if r.Complete && !l.Any() {
		return ""
	}
	var lost []span
	if l.Alloc > 0 || l.AllocBytes > 0 {
		lost = append(lost, texts(fmt.Sprintf("%s (%s) lost",
			counted(l.Alloc, "allocation"), Size(l.AllocBytes)))...)
	}
	for _, c := range []struct {
		n           uint64
		noun, state string
	}{
		{l.Free, "free", "lost"},
		{l.Mmap, "mmap event", "lost"},
		{l.Stack, "stack", "unreadable"},
	} {
		if c.n > 0 {
			lost = append(lost, texts(counted(c.n, c.noun)+" "+c.state)...)
		}
	}
	for _, u := range r.Unprobed {
		lost = append(lost, texts(escape(u))...)
	}
	if n := r.Events.GivenUpStacks; n > 0 {
		lost = append(lost, texts(counted(n, "stack")+" given up")...)
	}
	if len(lost) == 0 {
		lost = texts("not everything was recorded")
	}
	text := ""
	for i, s := range joined(",", lost) {
		if i > 0 {
			text += " "
		}
		text += s.text
	}
	// A block whose free was lost still counts as outstanding.
	if len(r.Unprobed) > 0 {
		return text + "; figures may be too high or too low"
	}
	if l.Free > 0 {
		return text + ": figures may be too high or too low"
	}
	return text + ": figures are lower bounds"
}

// totals writes how much is outstanding in all.
func (p *printer) totals(r *Report, _ TextOptions) {
	p.newline()
	age := ""
	if r.OlderSeconds > 0 {
		age = seconds(r.OlderSeconds)
	}
	if r.Outstanding.Blocks == 0 && r.Outstanding.Bytes == 0 {
		if r.Mode == ModeWindows {
			return
		}
		text := "Nothing is outstanding."
		if age != "" {
			text = "No outstanding allocation is older than " + age + "."
		}
		p.paragraph(span{}, text, bold)
		if r.Young.Blocks > 0 {
			p.paragraph(span{}, "Younger: "+exactBytes(r.Young.Bytes)+
				" in "+counted(r.Young.Blocks, "block"), plain)
		}
		return
	}
	lead := span{"Outstanding: ", bold}
	if r.Mode == ModeWindows {
		lead.text = "Grown by: "
	}
	items := []span{{exactBytes(r.Outstanding.Bytes), bold}, {"in " + counted(r.Outstanding.Blocks, "block"), plain}}
	if age != "" {
		items = append(items, span{"at least " + age + " old", plain})
	}
	if r.Mode == ModeWindows {
		items = append(items, texts("(counted, not estimated)")...)
	}
	p.flow(lead, 0, " ", items...)
	if r.Young.Blocks > 0 {
		p.flow(span{text: pad("", columns(lead.text))}, 0, " ", texts(
			"+ "+exactBytes(r.Young.Bytes), "in "+counted(r.Young.Blocks, "younger block")+", not listed")...)
	}
}

// notes writes the report's remarks.
func (p *printer) notes(r *Report, _ TextOptions) {
	for i, n := range r.Notes {
		if i == 0 {
			p.newline()
		}
		p.paragraph(span{"note: ", bold}, escape(n), plain)
	}
}
