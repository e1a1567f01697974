package html

import (
	"bytes"
	"fmt"
	"io"

	"memtrace/tracer/report"
)

// WriteHeap writes what is in a heap as a page. top bounds its lists, 0 is all. Errors come from w.
func WriteHeap(w io.Writer, r *report.HeapReport, top int) error {
	v, err := newHeapView(r, top)
	if err != nil {
		return err
	}
	return (&content{Title: v.Title, Heap: v}).write(w)
}

// heapView is what the page says of a report of memtrace heap.
type heapView struct {
	*report.HeapReport
	groups
	Title, Tone string
	// Headline is as Answer of a view.
	Headline [3]string
	Figures  []figure
	Lost     []report.HeapLost
	Held     []report.HeapHolder
	MadeOf   []report.HeapPart
	Facts    []fact
	// LostMore, HeldMore and MadeMore say that there are more.
	LostMore, HeldMore, MadeMore string
	// PathTitle is "" where no way to a block was asked for.
	PathTitle string
	PathSteps []string
	Text      string
}

func newHeapView(r *report.HeapReport, top int) (*heapView, error) {
	v := &heapView{HeapReport: r, Title: fmt.Sprintf("%s (pid %d)", report.Escape(r.Target.Command), r.Target.PID)}
	v.Headline[0], v.Tone = report.Escape(r.Answer), heapTone(r)
	v.Figures = heapFigures(r)
	v.growing(top)
	if u := r.Unreachable; u != nil {
		v.Lost, v.LostMore = few(u.Lost, top, u.LostTotal)
	}
	v.Held, v.HeldMore = few(r.Holders, top, r.HoldersTotal)
	parts := r.Parts()
	v.MadeOf, v.MadeMore = few(parts, top, len(parts))
	v.facts()
	v.path()
	v.remarks(r.Notes, r.Suppressed)
	var text bytes.Buffer
	err := report.HeapText(&text, r, report.TextOptions{Width: 100, Top: top})
	v.Text = text.String()
	return v, err
}

// few are the first entries of a list and what is said of the others.
func few[T any](list []T, top, total int) (first []T, more string) {
	if top > 0 {
		list = list[:min(len(list), top)]
	}
	return list, moreOf(total, len(list))
}

func (v *heapView) growing(top int) {
	list, left := v.Grown(top)
	v.None = "Nothing that stays."
	if v.Looks < firstGrowth {
		v.None = "Not known yet: that takes three looks."
		return
	}
	all := len(list) + left
	list, _ = few(list, top, all)
	for _, g := range list {
		v.Groups = append(v.Groups, groupOf(g))
	}
	v.More = moreOf(all, len(list))
}

// firstGrowth is after how many looks growth is told.
const firstGrowth = 3

// heapTone says how bad it is that something grows, or that nobody points at it.
func heapTone(r *report.HeapReport) string {
	if r.Looks < firstGrowth {
		return "unknown"
	}
	tone := "good"
	if u := r.Unreachable; u != nil && u.Certain.Blocks > 0 {
		tone = "warn"
	}
	for i := range r.Growing {
		switch g := &r.Growing[i]; {
		case g.Class == report.HeapSteady:
			return "bad"
		case g.Grows():
			tone = "warn"
		}
	}
	return tone
}

// heapFigures are the numbers to see first.
func heapFigures(r *report.HeapReport) []figure {
	b := &r.Blocks
	list := []figure{
		{"in use", report.Size(b.InUse.Bytes), "in " + report.Counted(b.InUse.Blocks, "block", "blocks"), ""},
		{"free", report.Size(b.Free()), "kept by malloc", ""},
	}
	if u := r.Unreachable; u != nil && u.Certain.Blocks > 0 {
		list = append(list, figure{"unreachable", report.Size(u.Certain.Bytes), "in " + report.Counted(u.Certain.Blocks, "block", "blocks"), "warn"})
	}
	return append(list, figure{"looks", report.Count(uint64(max(r.Looks, 0))), "in " + report.Seconds(r.DurationSeconds), ""})
}

// facts say what the heap consists of, and what was not looked at.
func (v *heapView) facts() {
	add := func(label, value string) { v.Facts = append(v.Facts, fact{label, value}) }
	add("in use", v.Blocks.Used())
	add("free", v.Blocks.Kept())
	for i := range v.Blocks.Skipped {
		add("skipped", v.Blocks.Skipped[i].String())
	}
}

// path says how one block is reached.
func (v *heapView) path() {
	p := v.Path
	if p == nil {
		return
	}
	v.PathTitle = fmt.Sprintf("How 0x%x is reached", p.Address)
	if p.Missing != "" {
		v.PathSteps = []string{report.Escape(p.Missing)}
	}
	for i := range p.Steps {
		if n := p.Steps[i].Omitted; n > 0 {
			v.PathSteps = append(v.PathSteps, report.Counted(uint64(n), "block", "blocks")+" on the way are left out")
		}
		v.PathSteps = append(v.PathSteps, p.Steps[i].String())
	}
}
