package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// DiffSchema names the layout of the JSON form of a Diff, as Schema does that of a Report.
const DiffSchema = "memtrace-diff/1"

// Diff is what changed between two reports.
type Diff struct {
	Schema string `json:"schema"`
	// Answer is the first line of the text form.
	Answer string   `json:"answer"`
	From   DiffSide `json:"from"`
	To     DiffSide `json:"to"`
	// Seconds is the time between both, where they are moments of one record, else 0.
	Seconds float64 `json:"seconds,omitempty"`
	// OverSeconds is how long the change took, or how long both sides were traced: divided by that, a
	// change is a rate. It is 0 where that is not known, or amounts are rates or divided already.
	OverSeconds float64 `json:"over_seconds,omitempty"`
	// Per is what all amounts are divided by: "" for nothing, "second", or a unit of the user's.
	Per string `json:"per,omitempty"`
	// Estimated means that the amounts are rates of leaks, estimated from windows of time.
	Estimated bool `json:"estimated,omitempty"`
	// AsAfterSeconds is the time that what leaks was scaled to on the side that was traced for longer,
	// 0 if it was not.
	AsAfterSeconds float64 `json:"as_after_seconds,omitempty"`
	// Bytes and Blocks are the sums of all stacks but those of Unlisted, Grew and Shrank those of the
	// stacks that did.
	Bytes  Change  `json:"bytes"`
	Blocks Change  `json:"blocks"`
	Grew   float64 `json:"grew_bytes"`
	Shrank float64 `json:"shrank_bytes"`
	// Counts are how many stacks became what, Unchanged how many did not change. Unlisted are those
	// of the uncertain ones that have that set.
	Counts    map[DiffState]int `json:"counts"`
	Unlisted  int               `json:"unlisted,omitempty"`
	Unchanged int               `json:"unchanged"`
	// Stacks are those that changed, what grew most first, and last what shrank most. StacksTotal is
	// how many there were before the list was cut.
	Stacks      []DiffStack `json:"stacks"`
	StacksTotal int         `json:"stacks_total"`
	Notes       []string    `json:"notes,omitempty"`
}

// DiffSide is one of the reports.
type DiffSide struct {
	// Source is the file, Kind what it is: record, json or pprof.
	Source string `json:"source"`
	Kind   string `json:"kind"`
	// Processes are the processes in words. Time is the end of the report, Seconds how long was
	// traced until then, 0 where that is not known. Mode is that of the report.
	Processes string    `json:"processes"`
	Time      time.Time `json:"time"`
	Seconds   float64   `json:"seconds"`
	Mode      string    `json:"mode,omitempty"`
	// Units is what amounts of this side were divided by, 1 for nothing.
	Units    float64 `json:"units"`
	Complete bool    `json:"complete"`
	// Listed is how many stacks there are in a list that was cut, StacksTotal how many there were. Of
	// a list that is whole StacksTotal is 0.
	Listed      int `json:"stacks_listed,omitempty"`
	StacksTotal int `json:"stacks_total,omitempty"`
}

// Change is an amount on both sides. Its bounds are those of To less From: equal to it where
// everything was counted.
type Change struct {
	From   float64 `json:"from"`
	To     float64 `json:"to"`
	Change float64 `json:"change"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// Certain reports whether the bounds leave no doubt that there is a change.
func (c *Change) Certain() bool { return c.Low > 0 || c.High < 0 }

// DiffState says what became of a stack.
type DiffState string

// The states.
const (
	DiffAppeared DiffState = "appeared"
	DiffGrew     DiffState = "grew"
	DiffShrank   DiffState = "shrank"
	DiffVanished DiffState = "vanished"
	// DiffUncertain: the bounds of an estimate leave it open, or the stack is Unlisted.
	DiffUncertain DiffState = "uncertain"
)

// DiffStack is what changed at a call stack.
type DiffStack struct {
	State  DiffState `json:"state"`
	Bytes  Change    `json:"bytes"`
	Blocks Change    `json:"blocks"`
	// FromStacks and ToStacks are how many stacks of each side it stands for. Unlisted: one of them is
	// 0, and the list of that side was cut. What it has is not known, and 0 stands for that.
	FromStacks int  `json:"from_stacks"`
	ToStacks   int  `json:"to_stacks"`
	Unlisted   bool `json:"unlisted,omitempty"`
	// These are as in Stack, and of the later side if that has the stack.
	Truncated bool    `json:"truncated"`
	OwnFrame  int     `json:"own_frame"`
	Frames    []Frame `json:"frames"`
}

// DiffForm is a form that a Diff can be written in.
type DiffForm struct {
	Name   string
	Binary bool
	// Top is how many stacks the form has unless that is asked for; 0 leaves it to the asker.
	Top   int
	Write func(w io.Writer, d *Diff, opt TextOptions) error
}

// DiffForms are all, the default first.
var DiffForms = []DiffForm{
	{Name: "text", Write: DiffText},
	{Name: "json", Write: fixedDiff(DiffJSON)},
	{Name: "folded", Top: everything, Write: fixedDiff(diffFolded)},
	{Name: "pprof", Top: everything, Binary: true, Write: fixedDiff(diffPprof)},
	{Name: "speedscope", Top: everything, Write: fixedDiff(diffSpeedscope)},
}

// everything is for forms that tools read.
const everything = math.MaxInt

// AddDiffForm adds a form that is made elsewhere, as AddForm does.
func AddDiffForm(f DiffForm) { DiffForms = append(DiffForms, f) }

// fixedDiff makes a DiffForm.Write of a form without options.
func fixedDiff(write func(io.Writer, *Diff) error) func(io.Writer, *Diff, TextOptions) error {
	return func(w io.Writer, d *Diff, _ TextOptions) error { return write(w, d) }
}

// DiffJSON writes the difference as JSON.
func DiffJSON(w io.Writer, d *Diff) error { return writeJSON(w, d.representable()) }

// WithTop returns a copy of a difference with the n stacks that changed most, in the order that they
// have, or all of them if n is 0.
func (d *Diff) WithTop(n int) *Diff {
	c := *d
	if n <= 0 || len(d.Stacks) <= n {
		return &c
	}
	by := make([]int, len(d.Stacks))
	for i := range by {
		by[i] = i
	}
	slices.SortStableFunc(by, func(a, b int) int {
		return cmp.Compare(math.Abs(d.Stacks[b].Bytes.Change), math.Abs(d.Stacks[a].Bytes.Change))
	})
	by = by[:n]
	slices.Sort(by)
	c.Stacks = make([]DiffStack, 0, n)
	for _, i := range by {
		c.Stacks = append(c.Stacks, d.Stacks[i])
	}
	return &c
}

// representable returns a copy of d in which every string fits into JSON and no list is nil.
func (d *Diff) representable() *Diff {
	c := *d
	c.Answer, c.Per, c.Notes = bounded(d.Answer), bounded(d.Per), boundedAll(d.Notes)
	for _, s := range []*DiffSide{&c.From, &c.To} {
		s.Source, s.Processes, s.Mode = bounded(s.Source), bounded(s.Processes), bounded(s.Mode)
	}
	c.Stacks = append([]DiffStack{}, d.Stacks...)
	for i := range c.Stacks {
		c.Stacks[i].Frames = representableFrames(c.Stacks[i].Frames)
	}
	return &c
}

// Amount writes an amount of bytes of the difference, without its sign.
func (d *Diff) Amount(bytes float64) string {
	bytes = math.Abs(bytes)
	switch {
	case d.Estimated:
		return Rate(bytes)
	case d.Per != "":
		text := humanBytes(bytes)
		if bytes > 0 && bytes < 1 {
			text = fmt.Sprintf("%.2g B", bytes)
		}
		return text + " per " + escape(d.Per)
	}
	return Size(uint64(math.Round(bytes)))
}

// Signed writes a change with its sign, and with its bounds where it is an estimate.
func (d *Diff) Signed(c *Change) string {
	text := "±0 B"
	switch {
	case c.Change > 0:
		text = "+" + d.Amount(c.Change)
	case c.Change < 0:
		text = "-" + d.Amount(c.Change)
	}
	if c.Low != c.High {
		text = "~" + text + " [" + d.bound(c.Low) + " - " + d.bound(c.High) + "]"
	}
	return text
}

func (d *Diff) bound(bytes float64) string {
	switch {
	case bytes > 0:
		return "+" + d.Amount(bytes)
	case bytes < 0:
		return "-" + d.Amount(bytes)
	}
	return "0"
}
