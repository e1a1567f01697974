package report

import (
	"fmt"
	"slices"
	"strings"
)

// answer writes the answer, what else was found, and when memory runs out.
func (p *printer) answer(r *Report, opt TextOptions) {
	d := r.Diagnosis
	if d == nil {
		return
	}
	p.paragraph(span{}, escape(d.Answer), bold)
	if len(d.Findings) == 0 {
		return
	}
	for i := range d.Findings[1:] {
		if f := &d.Findings[1+i]; f.worthALine(&d.Findings[0]) || opt.Height == 0 && opt.Show.Notes {
			p.paragraph(span{text: "  "}, "It also "+escape(f.Text)+".", plain)
		}
	}
	if d.Deadline != nil {
		p.paragraph(span{text: "  "}, "At this pace: "+escape(d.Deadline.Text)+".", alarm)
	}
	if first := &d.Findings[0]; first.Next != "" {
		p.paragraph(span{text: "  "}, escape(first.Next), plain)
	}
}

// worthALine reports whether a finding bears on what is to be done about the first one.
func (f *Finding) worthALine(first *Finding) bool {
	const enough = 0.25
	return f.BytesPerSecond.Value > 0 && f.BytesPerSecond.Value >= enough*first.BytesPerSecond.Value
}

// mostAccounts is how many accounts are shown where lines are few.
const mostAccounts = 1

// accounts writes what of the growth is what.
func (p *printer) accounts(r *Report, opt TextOptions) {
	d := r.Diagnosis
	if d == nil {
		return
	}
	for i := range d.Accounts {
		if opt.Height > 0 && i == mostAccounts {
			break
		}
		p.account(&d.Accounts[i], opt)
	}
}

func (p *printer) account(a *Account, opt TextOptions) {
	label := strings.ToUpper(a.Label[:1]) + a.Label[1:]
	change := "did not grow"
	switch {
	case a.GrewBytes > 0:
		change = "grew by " + Size(uint64(a.GrewBytes))
	case a.GrewBytes < 0:
		change = "shrank by " + Size(uint64(-a.GrewBytes))
	}
	p.paragraph(span{}, escape(label)+" "+change+":", plain)
	// The label of a rest that is unknown names what is.
	named := slices.ContainsFunc(a.Terms, func(t AccountTerm) bool { return t.Kind == TermRest && !t.Known && t.Bytes > 0 })
	for i := range a.Terms {
		t := &a.Terms[i]
		if opt.Height > 0 && t.Percent == 0 && t.Bytes > -small(a) && (t.Known || named) {
			continue
		}
		p.term(t)
	}
}

// small is the number of bytes below which a term is left out where lines are few.
func small(a *Account) int64 {
	var added int64
	for _, t := range a.Terms {
		added += max(t.Bytes, 0)
	}
	return max(added/100, 1)
}

func (p *printer) term(t *AccountTerm) {
	share, size := "", "unknown"
	if t.Bytes > 0 {
		share = fmt.Sprintf("%d %%", t.Percent)
	}
	switch {
	case t.Bytes < 0:
		size = "-" + Size(uint64(-t.Bytes))
	case t.Bytes > 0 || t.Known:
		size = Size(uint64(t.Bytes))
	}
	if t.Bytes > 0 && t.Estimated {
		size = "~" + size
	}
	if t.Bytes > 0 && t.AtLeast {
		size = "≥ " + size
	}
	p.flow(span{text: pad("", 7-columns(share)) + share + pad("", 13-columns(size)) + size + "  "}, 0, " ", words(t.Label)...)
}

// words splits a text, so that it wraps between any two of its words.
func words(text string) []span { return texts(strings.Fields(escape(text))...) }

// how writes what the figures rest on.
func (p *printer) how(r *Report, _ TextOptions) { p.paragraph(span{}, r.How(), dim) }

// How says in words what the figures rest on: how calls were watched, for how long, and what that
// cost.
func (r *Report) How() string {
	long := Seconds(r.DurationSeconds)
	text := ""
	switch s := r.Sampling; {
	case s != nil && s.Windows > 0:
		text = fmt.Sprintf("Estimated from %s (%s of %s), %s overhead; [low - high] is a 95 %% interval.",
			counted(uint64(s.Windows), "window"), Seconds(s.TracedSeconds), long, percent(s.Overhead))
		if s.Dropped > 0 {
			text += " " + counted(s.Dropped, "window") + " could not be watched whole."
		}
	case s != nil:
		text = fmt.Sprintf("Watched in windows of time for %s, %s overhead.", long, percent(s.Overhead))
		if s.Dropped > 0 {
			text += " " + counted(s.Dropped, "window") + " could not be watched whole: give a larger --ring-size."
		}
	case r.Mode == ModeGrowth:
		text = "Watched for " + long + " by system calls alone, no probe in the process."
	case r.Complete && !r.Events.Lost.Any():
		text = "Every call traced for " + long + ", nothing lost."
	default:
		text = "Traced for " + long + "."
	}
	switch {
	case r.MinSize > 0 && r.MaxSize > 0:
		text += " Only blocks of " + Count(r.MinSize) + " to " + Count(r.MaxSize) + " B were traced."
	case r.MinSize > 0:
		text += " Only blocks of at least " + Count(r.MinSize) + " B were traced."
	case r.MaxSize > 0:
		text += " Only blocks of at most " + Count(r.MaxSize) + " B were traced."
	}
	return text
}
