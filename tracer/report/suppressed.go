package report

import (
	"cmp"
	"fmt"
	"slices"
)

// Suppressed is what one suppression hid: the stacks, and their bytes and blocks, as they would be
// in the list of stacks.
type Suppressed struct {
	Pattern string `json:"pattern"`
	Stacks  int    `json:"stacks"`
	Sum
	// LeakBytesPerSecond is how fast these stacks leak, or may leak, 0 if they do not. Of stacks that
	// were observed in windows of time it is all that is known; it is then Estimated.
	LeakBytesPerSecond float64 `json:"leak_bytes_per_second,omitempty"`
	Estimated          bool    `json:"estimated,omitempty"`
}

// Suppress counts a stack as hidden by its pattern.
func (r *Report) Suppress(s *Stack) {
	r.AddSuppressed([]Suppressed{{
		Pattern: s.Suppressed, Stacks: max(s.MergedStacks, 1), Sum: Sum{s.Bytes, s.Blocks},
		LeakBytesPerSecond: s.LeakBytesPerSecond, Estimated: s.Estimate != nil && s.LeakBytesPerSecond > 0,
	}})
}

// AddSuppressed adds what was hidden, and sorts it.
func (r *Report) AddSuppressed(list []Suppressed) {
	for _, s := range list {
		i := slices.IndexFunc(r.Suppressed, func(o Suppressed) bool { return o.Pattern == s.Pattern })
		if i < 0 {
			r.Suppressed = append(r.Suppressed, s)
			continue
		}
		sum := &r.Suppressed[i]
		sum.Stacks += s.Stacks
		sum.Sum = sum.Plus(s.Sum)
		sum.LeakBytesPerSecond += s.LeakBytesPerSecond
		sum.Estimated = sum.Estimated || s.Estimated
	}
	slices.SortStableFunc(r.Suppressed, func(a, b Suppressed) int {
		return cmp.Or(cmp.Compare(b.LeakBytesPerSecond, a.LeakBytesPerSecond), cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Pattern, b.Pattern))
	})
}

// AllSuppressed adds up what was hidden by all patterns.
func (r *Report) AllSuppressed() (all Suppressed) {
	for _, s := range r.Suppressed {
		all.Stacks += s.Stacks
		all.Sum = all.Plus(s.Sum)
		all.LeakBytesPerSecond += s.LeakBytesPerSecond
		all.Estimated = all.Estimated || s.Estimated
	}
	return all
}

// String says it in words, without the pattern.
func (s *Suppressed) String() string {
	text := counted(uint64(s.Stacks), "stack")
	if s.Blocks > 0 {
		text += fmt.Sprintf(", %s in %s", Size(s.Bytes), counted(s.Blocks, "block"))
	}
	if s.LeakBytesPerSecond > 0 {
		about := ""
		if s.Estimated {
			about = "~"
		}
		text += ", +" + about + Rate(s.LeakBytesPerSecond)
	}
	return text
}

// suppressed writes what is not shown, and by which patterns.
func (p *printer) suppressed(r *Report, opt TextOptions) {
	if len(r.Suppressed) == 0 {
		return
	}
	all, most := r.AllSuppressed(), len(r.Suppressed)
	if opt.Height > 0 {
		most = min(most, 2)
	}
	items := texts(all.String() + ", by")
	for i := range r.Suppressed[:most] {
		s := &r.Suppressed[i]
		text := "leak:" + cutRight(escape(s.Pattern), p.width/2)
		if len(r.Suppressed) > 1 {
			text += " (" + s.String() + ")"
		}
		if i+1 < len(r.Suppressed) {
			text += ","
		}
		items = append(items, texts(text)...)
	}
	if more := len(r.Suppressed) - most; more > 0 {
		items = append(items, texts(fmt.Sprintf("and %d more", more))...)
	}
	p.flow(span{"Suppressed: ", bold}, 0, " ", items...)
}

func representableSuppressed(list []Suppressed) []Suppressed {
	list = slices.Clone(list)
	for i := range list {
		list[i].Pattern = bounded(list[i].Pattern)
	}
	return list
}
