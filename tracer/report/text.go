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
	// Height is how many lines the report should not exceed, 0 for no bound. It is kept by
	// showing fewer stacks and frames.
	Height int
	// Show are the Parts that are shown beside the answer and the stacks.
	Show Parts
}

// Parts are sections of the text form that are not shown unless asked for.
type Parts struct {
	// Events are the counts of what was traced, with the time and what is outstanding in all.
	// Regions is the address space, Threshold how malloc serves blocks, System the machine's
	// memory, Notes all remarks.
	Events, Regions, Threshold, System, Notes bool
	// Peak is what was held when that was most, with temporary blocks, Threads and Modules are who
	// has allocated what is held, Lifetimes how long blocks of a stack live and how large they are.
	Peak, Threads, Modules, Lifetimes bool
}

// Full is all parts.
var Full = Parts{
	Events: true, Regions: true, Threshold: true, System: true, Notes: true,
	Peak: true, Threads: true, Modules: true, Lifetimes: true,
}

// Text writes the report for people to read. Names that do not fit the width are cut; the
// other forms have them whole. Errors come only from w.
func Text(w io.Writer, r *Report, opt TextOptions) error {
	p := newPrinter(opt)
	if opt.Height == 0 {
		p.w = w // lines need not be counted
	}
	if r.Diagnosis == nil {
		opt.Show = Full
	}
	for _, s := range sections {
		if s.part == nil || s.part(&opt.Show) {
			s.write(p, r, opt)
		}
	}
	return p.flush(w)
}

// section is a part of the text form. It writes nothing where a report has nothing for it.
type section struct {
	// part returns whether the section is asked for; nil means always.
	part  func(*Parts) bool
	write func(p *printer, r *Report, opt TextOptions)
}

// sections are those of the text form, in their order.
var sections = []section{
	{nil, (*printer).answer},
	{nil, (*printer).accounts},
	{showEvents, (*printer).target},
	{nil, (*printer).how},
	{nil, (*printer).sinceMark},
	{showEvents, (*printer).events},
	{nil, (*printer).trouble},
	{showEvents, (*printer).totals},
	{func(s *Parts) bool { return s.Peak }, (*printer).peak},
	{nil, (*printer).allocators},
	{nil, (*printer).suppressed},
	{func(s *Parts) bool { return s.Threads }, (*printer).threads},
	{func(s *Parts) bool { return s.Modules }, (*printer).modules},
	{func(s *Parts) bool { return s.Threshold }, (*printer).split},
	{nil, (*printer).touchedFirst},
	{nil, (*printer).stacks},
	{nil, (*printer).heapBeside},
	{nil, (*printer).touched},
	{func(s *Parts) bool { return s.Regions }, (*printer).addressSpace},
	{func(s *Parts) bool { return s.System }, (*printer).machine},
	{nil, (*printer).notes},
	{nil, (*printer).hints},
}

func showEvents(s *Parts) bool { return s.Events }

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
	if r.Diagnosis != nil {
		p.newline()
	}
	p.process(&r.Target, opt)
}

// process writes which process a report is about.
func (p *printer) process(t *Target, opt TextOptions) {
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
	when := "traced " + Seconds(r.DurationSeconds)
	if r.Mode == ModeGrowth {
		when = "watched " + Seconds(r.DurationSeconds)
	}
	if !r.End.IsZero() {
		when += " to " + r.End.Format(time.DateTime+" MST")
	}
	p.paragraph(span{}, escape(when), plain)
	e := r.Events
	calls := r.Mode != ModeWindows && r.Mode != ModeGrowth
	var items []span
	for _, c := range []struct {
		n    uint64
		noun string
		show bool
	}{
		{e.Alloc, "allocation", calls},
		{e.Free, "free", calls},
		{e.Realloc, "realloc", e.Realloc > 0},
		{e.Mmap, "mmap", e.Mmap > 0},
		{e.Munmap, "munmap", e.Munmap > 0},
		{e.Mremap, "mremap", e.Mremap > 0},
		{e.Brk, "brk call", e.Brk > 0},
		{e.Mprotect, "mprotect", e.Mprotect > 0},
		{e.Shmat, "shmat", e.Shmat > 0},
		{e.Shmdt, "shmdt", e.Shmdt > 0},
		{e.UnknownFree, "free of a block from before the trace", e.UnknownFree > 0},
	} {
		if c.show {
			items = append(items, span{text: counted(c.n, c.noun)})
		}
	}
	if e.UnknownFree > 1 {
		items[len(items)-1].text = Count(e.UnknownFree) + " frees of blocks from before the trace"
	}
	if r.Growth != nil && r.Growth.Faults.Sampled {
		items = append(items, span{text: "some " + counted(r.Growth.Faults.Count, "page fault")})
	}
	p.flow(span{}, 0, " ", joined(",", items)...)
}

// trouble writes what limits the figures below, if anything.
func (p *printer) trouble(r *Report, opt TextOptions) {
	if r.Target.Exited && (opt.Show.Events || r.Target.ExitSignal != "") {
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
	if text := r.Losses(); text != "" {
		p.newline()
		p.paragraph(span{"INCOMPLETE: ", alarm}, text, alarm)
	}
}

// Losses says in words what was lost and how that affects the figures. It is empty for a
// complete report.
func (r *Report) Losses() string {
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
	if r.Mode == ModeGrowth {
		p.grownTotals(r)
		return
	}
	if r.Outstanding == (Sum{}) {
		if r.Mode != ModeWindows {
			p.paragraph(span{}, "Nothing is outstanding"+older(r)+".", plain)
		}
	} else {
		lead := span{"Outstanding: ", bold}
		if r.Mode == ModeWindows {
			lead.text = "Mapped: "
		}
		items := []span{{exactBytes(r.Outstanding.Bytes), bold}, {"in " + counted(r.Outstanding.Blocks, "block") + older(r), plain}}
		if differs(r.ChunkBytes, r.Outstanding.Bytes) {
			items = append(items, span{text: "for which malloc takes " + Size(r.ChunkBytes)})
		}
		p.flow(lead, 0, " ", items...)
	}
	if r.Reserved.Bytes > 0 {
		p.paragraph(span{}, "Reserved: "+exactBytes(r.Reserved.Bytes)+" of further addresses, without memory of the process's own", plain)
	}
	if r.Young.Blocks > 0 {
		p.paragraph(span{}, "Younger: "+exactBytes(r.Young.Bytes)+" in "+counted(r.Young.Blocks, "block")+", not listed", plain)
	}
}

// older says from what age blocks count.
func older(r *Report) string {
	if r.OlderSeconds == 0 {
		return ""
	}
	return " at least " + Seconds(r.OlderSeconds) + " old"
}

// notes writes the report's remarks. Where lines are few it says how many there are.
func (p *printer) notes(r *Report, opt TextOptions) {
	if len(r.Notes) == 0 {
		return
	}
	if opt.Height > 0 && !opt.Show.Notes {
		p.paragraph(span{}, counted(uint64(len(r.Notes)), "note")+": --full shows", dim)
		return
	}
	p.newline()
	for _, n := range r.Notes {
		p.paragraph(span{"note: ", bold}, escape(n), plain)
	}
}
