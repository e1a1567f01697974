package html

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"time"

	"memtrace/tracer/report"
)

// DiffForm is the form of differences that this package adds.
var DiffForm = report.DiffForm{
	Name: "html", Top: mostStacks,
	Write: func(w io.Writer, d *report.Diff, _ report.TextOptions) error { return WriteDiff(w, d) },
}

// WriteDiff writes a difference as a page. Errors come from w, or from a figure that is not finite.
func WriteDiff(w io.Writer, d *report.Diff) error {
	v, err := newDiffView(d)
	if err != nil {
		return err
	}
	return (&content{Title: v.Title, Diff: v}).write(w)
}

// diffView is what the page says of a difference without scripts.
type diffView struct {
	*report.Diff
	Title, Tone string
	Complete    bool
	// Headline is as Answer of a view.
	Headline [3]string
	Figures  []figure
	How      string
	Rows     []diffRow
	// Changed is how many stacks changed, Hidden how many of them are not in Rows, Missing how many
	// are not in the page at all.
	Changed, Hidden, Missing int
	Sides                    []side
	Text                     string
	Data                     template.JS
}

// diffRow is a stack of the table that is there without scripts.
type diffRow struct {
	*report.DiffStack
	Number                                 int
	Function, Caller                       string
	Class, Became                          string
	Before, After, Change, Rate, BlockNote string
}

// side is what is known of one of the two.
type side struct {
	Label string
	Facts []fact
}

func newDiffView(d *report.Diff) (*diffView, error) {
	v := &diffView{Diff: d, Complete: d.From.Complete && d.To.Complete, Changed: max(d.StacksTotal, len(d.Stacks))}
	v.Title = report.Escape(d.From.Processes) + " to " + report.Escape(d.To.Processes)
	if d.From.Processes == d.To.Processes {
		v.Title = report.Escape(d.To.Processes)
	}
	v.headline()
	v.figures()
	first := d.WithTop(mostRows)
	for i := range first.Stacks {
		v.Rows = append(v.Rows, diffRowOf(i, &first.Stacks[i], d))
	}
	v.Hidden, v.Missing = v.Changed-len(v.Rows), v.Changed-len(d.Stacks)
	v.Sides = []side{{"Before", sideFacts(&d.From, d)}, {"After", sideFacts(&d.To, d)}}
	var text bytes.Buffer
	if err := report.DiffText(&text, d.WithTop(10), report.TextOptions{Width: 100}); err != nil {
		return nil, err
	}
	v.Text = text.String()
	var err error
	v.Data, err = encodeDiff(d)
	return v, err
}

// headline fills in what is said first, with the function that most of the change is in.
func (v *diffView) headline() {
	c := &v.Bytes
	switch {
	case !c.Certain() && c.Low != c.High, v.Unlisted > 0 && v.Unlisted == len(v.Stacks):
		v.Tone = "unknown"
	case c.Change > 0:
		v.Tone = "bad"
	default:
		v.Tone = "calm"
	}
	v.Headline[0] = report.Escape(v.Answer)
	for i := range v.Stacks {
		s := &v.Stacks[i]
		if s.OwnFrame >= len(s.Frames) || s.Frames[s.OwnFrame].Function == "" {
			continue
		}
		name := frameName(&s.Frames[s.OwnFrame])
		before, after, ok := strings.Cut(v.Headline[0], " in "+name)
		if ok && (after == "" || after[0] == ' ') {
			v.Headline = [3]string{before + " in ", name, after}
			return
		}
	}
}

// figures are the numbers to see first, and in words how they were made comparable.
func (v *diffView) figures() {
	d, n := v.Diff, v.Counts
	add := func(label, value, note, tone string) {
		v.Figures = append(v.Figures, figure{label, value, note, tone})
	}
	of := func(state report.DiffState, word string) string {
		if n[state] == 0 {
			return ""
		}
		return fmt.Sprintf(", %s %s", report.Count(uint64(n[state])), word)
	}
	in := func(stacks int) string { return "in " + report.Counted(uint64(stacks), "stack", "stacks") }
	note := ""
	if d.OverSeconds > 0 {
		note = rateOf(d, d.Bytes.Change)
	}
	add("difference", d.Signed(&d.Bytes), note, v.Tone)
	add("before", d.Amount(d.Bytes.From), "", "")
	add("after", d.Amount(d.Bytes.To), "", "")
	add("grew by", d.Amount(d.Grew), in(n[report.DiffGrew]+n[report.DiffAppeared])+of(report.DiffAppeared, "new"), "")
	add("shrank by", d.Amount(d.Shrank), in(n[report.DiffShrank]+n[report.DiffVanished])+of(report.DiffVanished, "gone"), "")
	if n[report.DiffUncertain] > 0 {
		add("not certain", report.Counted(uint64(n[report.DiffUncertain]), "stack", "stacks"), "", "unknown")
	}
	switch {
	case d.Estimated:
		v.How = "Estimated rates of leaks. A true change is in its interval if both 95 % intervals hold."
	case d.Per != "":
		v.How = fmt.Sprintf("What is held, per %s: before it is divided by %g, after by %g.", report.Escape(d.Per), d.From.Units, d.To.Units)
	case d.AsAfterSeconds > 0:
		v.How = "What leaks on the side that was traced for longer is scaled to " + report.Seconds(d.AsAfterSeconds) + "."
	case d.Seconds != 0:
		v.How = "What is held at two moments, " + report.Seconds(d.Seconds) + " apart."
	default:
		v.How = "What is held on both sides, as it is."
	}
}

// rateOf writes a change as a rate, with its sign.
func rateOf(d *report.Diff, change float64) string {
	if d.OverSeconds <= 0 || change == 0 {
		return ""
	}
	return sign(change) + report.Rate(math.Abs(change)/d.OverSeconds)
}

func sign(f float64) string {
	if f < 0 {
		return "-"
	}
	return "+"
}

// became are the states in words, and the classes of their rows.
var became = map[report.DiffState]struct{ words, class string }{
	report.DiffAppeared: {"new", "grew"}, report.DiffGrew: {"grew", "grew"}, report.DiffShrank: {"shrank", "shrank"},
	report.DiffVanished: {"gone", "shrank"}, report.DiffUncertain: {"not certain", "unsure"},
}

func diffRowOf(i int, s *report.DiffStack, d *report.Diff) diffRow {
	row := diffRow{DiffStack: s, Number: i + 1, Function: "[unknown]", Change: d.Signed(&s.Bytes)}
	row.Class, row.Became = became[s.State].class, became[s.State].words
	if s.OwnFrame < len(s.Frames) {
		row.Function = frameName(&s.Frames[s.OwnFrame])
	}
	if s.OwnFrame+1 < len(s.Frames) {
		row.Caller = frameName(&s.Frames[s.OwnFrame+1])
	}
	row.Before, row.After, row.Rate = d.Amount(s.Bytes.From), d.Amount(s.Bytes.To), rateOf(d, s.Bytes.Change)
	if d.Per == "" && s.Blocks.Change != 0 {
		row.BlockNote = sign(s.Blocks.Change) + report.Count(uint64(math.Abs(s.Blocks.Change)))
	}
	if s.Unlisted { // of a side that may have it
		row.Change, row.Rate, row.BlockNote, row.Became = "not known", "", "", "in one list alone"
		if s.FromStacks == 0 {
			row.Before = "not known"
		} else {
			row.After = "not known"
		}
	}
	return row
}

func sideFacts(s *report.DiffSide, d *report.Diff) (list []fact) {
	add := func(label, value string) {
		if value != "" {
			list = append(list, fact{label, report.Escape(value)})
		}
	}
	add("processes", s.Processes)
	add("file", s.Source)
	add("kind", map[string]string{"record": "record", "json": "report in JSON", "pprof": "profile"}[s.Kind])
	if !s.Time.IsZero() {
		add("time", s.Time.Format(time.DateTime+" MST"))
	}
	if s.Seconds > 0 {
		add("traced for", report.Seconds(s.Seconds))
	}
	add("mode", s.Mode)
	if s.Units != 1 {
		add("divided by", fmt.Sprintf("%g × %s", s.Units, d.Per))
	}
	if s.StacksTotal > 0 {
		add("stacks", fmt.Sprintf("only %s of %s", report.Count(uint64(s.Listed)), report.Count(uint64(s.StacksTotal))))
	}
	if !s.Complete {
		add("recorded", "not everything")
	}
	return list
}

// encodeDiff makes the data of a difference, as encode does of a report.
func encodeDiff(d *report.Diff) (template.JS, error) {
	b := newBuilder()
	bare := *d
	bare.Stacks = nil
	var text bytes.Buffer
	err := report.DiffJSON(&text, &bare)
	if err != nil {
		return "", err
	}
	if b.Diff, err = escapeStrings(text.Bytes()); err != nil {
		return "", err
	}
	for i := range d.Stacks {
		s := &d.Stacks[i]
		b.stack(s.Truncated, s.Frames, "")
		if err := b.figures(i, diffFigures(s), nil); err != nil {
			return "", fmt.Errorf("encode stack %d: %w", i, err)
		}
	}
	return b.script()
}

// diffFigures are the figures of a stack as plain ones, which the scripts have as columns.
func diffFigures(s *report.DiffStack) any {
	return map[string]any{
		"state": s.State, "unlisted": s.Unlisted, "own_frame": s.OwnFrame, "from_stacks": s.FromStacks, "to_stacks": s.ToStacks,
		"from": s.Bytes.From, "to": s.Bytes.To, "change": s.Bytes.Change, "low": s.Bytes.Low, "high": s.Bytes.High,
		"blocks_from": s.Blocks.From, "blocks_to": s.Blocks.To, "blocks_change": s.Blocks.Change,
	}
}
