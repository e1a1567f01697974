package report

import (
	"fmt"
	"math"
)

// Suspect reports whether the estimate calls the stack a leak.
func (e *Estimate) Suspect() bool { return e.Class == "leak" || e.Class == "active leak" }

// listed reports whether the stack is shown by default.
func (e *Estimate) listed() bool { return e.Suspect() || e.Class == "possible leak" }

// estimateHead writes the figures of the i-th stack, which are estimates.
func (p *printer) estimateHead(r *Report, i int, opt TextOptions) {
	s := &r.Stacks[i]
	e := s.Estimate
	bytes, blocks := s.EstimatedRate(), e.LeakBlocksPerSecond
	p.flow(numbered("#", i), stackIndent, "  ",
		span{e.Class, bold},
		span{RateWithin(bytes.Value, bytes.Low, bytes.High), bold},
		span{text: fmt.Sprintf("~%s blocks/min [%s - %s]", perMinute(blocks.Value), perMinute(blocks.Low), perMinute(blocks.High))})
	if opt.Height > 0 {
		return
	}
	indent := span{text: pad("", stackIndent)}
	survived := fmt.Sprintf("%s survived, of %s", counted(e.Survivors.Blocks, "block"), counted(uint64(max(e.SurvivorWindows, 0)), "window"))
	if e.MaturitySeconds > r.Sampling.MaturitySeconds {
		survived += " at least " + Seconds(e.MaturitySeconds) + " old"
	}
	items := texts("confidence "+percent(e.Confidence), survived)
	if e.Survivors.Blocks > 0 {
		items = append(items, texts("the oldest for "+Seconds(e.OldestSeconds))...)
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

// EstimatedRate returns how fast a stack with an estimate leaks, in bytes that the allocator
// takes.
func (s *Stack) EstimatedRate() Bounds {
	bytes := s.Estimate.LeakBytesPerSecond
	if bytes.Value > 0 && s.LeakBytesPerSecond > 0 {
		n := s.LeakBytesPerSecond / bytes.Value
		bytes = Bounds{Value: bytes.Value * n, Low: bytes.Low * n, High: bytes.High * n}
	}
	return bytes
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
