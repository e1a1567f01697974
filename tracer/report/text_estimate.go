package report

import (
	"fmt"
	"math"
)

// Suspect reports whether the estimate calls the stack a leak.
func (e *Estimate) Suspect() bool { return e.Class == "leak" || e.Class == "active leak" }

// listed reports whether the stack is shown by default.
func (e *Estimate) listed() bool { return e.Suspect() || e.Class == "possible leak" }

// sampling writes how the process was watched in windows of time.
func (p *printer) sampling(r *Report, _ TextOptions) {
	s := r.Sampling
	if s == nil {
		return
	}
	items := texts(
		counted(uint64(max(s.Windows, 0)), "window")+" of time, "+seconds(s.TracedSeconds)+" or "+percent(r.TracedFraction)+" of it",
		fmt.Sprintf("about %s overhead, of at most %s", percent(s.Overhead), percent(s.MaxOverhead)))
	p.flow(span{}, 0, " ", joined(",", items)...)
	if s.Dropped > 0 {
		p.paragraph(span{}, counted(s.Dropped, "window")+" dropped that could not be watched whole", plain)
	}
}

// suspects writes the sum of what the estimates say.
func (p *printer) suspects(r *Report, _ TextOptions) {
	if r.Sampling == nil {
		return
	}
	var leaks, possible uint64
	for i := range r.Stacks {
		switch e := r.Stacks[i].Estimate; {
		case e == nil:
		case e.Suspect():
			leaks++
		case e.listed():
			possible++
		}
	}
	p.newline()
	age := seconds(r.Sampling.MaturitySeconds)
	if r.Sampling.Windows == 0 {
		text := "Nothing is known of leaks: no window of time is over yet. Trace for longer."
		switch {
		case r.Sampling.Execs > 0:
			text = fmt.Sprintf("Nothing is known of leaks: the process has executed another program %s, and no window of time is over since.", times(r.Sampling.Execs))
		case r.Sampling.Dropped > 0:
			text = "Nothing is known of leaks: no window of time could be watched whole. Give a larger --ring-size; messages say what else went wrong."
		}
		p.paragraph(span{}, text, alarm)
		return
	}
	if leaks+possible == 0 {
		p.paragraph(span{}, "No stack is called a leak by the windows that are at least "+age+" old.", bold)
		return
	}
	verb := " leak"
	if leaks == 1 {
		verb += "s"
	}
	if possible > 0 {
		verb += ", " + Count(possible) + " more may"
	}
	p.paragraph(span{"Estimated: ", bold}, counted(leaks, "stack")+verb+", by the windows that are at least "+age+
		" old; what is between brackets holds the true value with 95 % confidence", plain)
}

// estimateHead writes the figures of the i-th stack, which are estimates.
func (p *printer) estimateHead(r *Report, i int, opt TextOptions) {
	s := &r.Stacks[i]
	e := s.Estimate
	bytes, blocks := e.LeakBytesPerSecond, e.LeakBlocksPerSecond
	p.flow(numbered("#", i), stackIndent, "  ",
		span{e.Class, bold},
		span{rateWithin(bytes.Value, bytes.Low, bytes.High), bold},
		span{text: fmt.Sprintf("~%s blocks/min [%s - %s]", perMinute(blocks.Value), perMinute(blocks.Low), perMinute(blocks.High))})
	indent := span{text: pad("", stackIndent)}
	survived := fmt.Sprintf("%s seen to survive in %s", counted(e.Survivors.Blocks, "block"), counted(uint64(max(e.SurvivorWindows, 0)), "window"))
	if e.MaturitySeconds > r.Sampling.MaturitySeconds {
		survived += " at least " + seconds(e.MaturitySeconds) + " old"
	}
	items := texts("confidence "+percent(e.Confidence), survived)
	if e.Survivors.Blocks > 0 {
		items = append(items, texts("the oldest for "+seconds(e.OldestSeconds))...)
	}
	if e.Active.Blocks > 0 {
		items = append(items, texts(Count(e.Active.Blocks)+" written to since")...)
	}
	items = append(items, texts(percent(e.Survival)+" of ~"+perMinute(e.AllocationsPerSecond)+" allocations/min survive")...)
	p.flow(indent, 0, " ", joined(",", items)...)
	if opt.Verbose {
		p.flow(indent, 0, " ", texts("stack "+cutRight(escape(s.ID), 24))...)
	}
}

// perMinute writes a rate given per second as a number per minute.
func perMinute(rate float64) string {
	n := rate * 60
	switch {
	case !(n > 0):
		return "0"
	case n < 10:
		return fmt.Sprintf("%.2g", n)
	case n > math.MaxInt64:
		return "very many"
	}
	return Count(uint64(math.Round(n)))
}

// leakRate returns the estimate in bytes a minute, for the forms that hold integers.
func (e *Estimate) leakRate() uint64 {
	if !e.Suspect() || !(e.LeakBytesPerSecond.Value > 0) {
		return 0
	}
	return uint64(min(e.LeakBytesPerSecond.Value*60, math.MaxInt64/2))
}

// times says how often something happened.
func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return Count(n) + " times"
}
