package main

import (
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"memtrace/tracer/diagnose"
	"memtrace/tracer/report"
)

// Columns of a report in text where it does not go to a terminal, and at most where it does.
const (
	fileWidth = 100
	mostWidth = 160
)

// part is one of --show.
type part struct {
	name string
	set  func(*report.Parts)
}

var parts = []part{
	{"events", func(p *report.Parts) { p.Events = true }},
	{"regions", func(p *report.Parts) { p.Regions = true }},
	{"threshold", func(p *report.Parts) { p.Threshold = true }},
	{"system", func(p *report.Parts) { p.System = true }},
	{"peak", func(p *report.Parts) { p.Peak = true }},
	{"threads", func(p *report.Parts) { p.Threads = true }},
	{"modules", func(p *report.Parts) { p.Modules = true }},
	{"lifetimes", func(p *report.Parts) { p.Lifetimes = true }},
	{"notes", func(p *report.Parts) { p.Notes = true }},
}

// showBlocks is --show-blocks by the name of a part.
const showBlocks = "blocks"

func partNames() []string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return append(names, showBlocks)
}

// parts returns the parts of the report that are asked for.
func (o *options) parts() (shown report.Parts, err error) {
	for _, name := range o.show {
		i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
		switch {
		case i >= 0:
			parts[i].set(&shown)
		case name != showBlocks:
			return shown, usagef("--show %s: give %s", name, strings.Join(partNames(), ", "))
		}
	}
	if o.full {
		shown = report.Full
	}
	return shown, nil
}

// listBlocks reports whether the blocks of each stack are asked for.
func (o *options) listBlocks() bool { return o.blocks || slices.Contains(o.show, showBlocks) }

// layOut says how a report in text is laid out: on a terminal so that the answer stays on the
// screen.
func (o *options) layOut(w io.Writer, terminal bool) report.TextOptions {
	shown, _ := o.parts() // the flags were checked
	t := report.TextOptions{Verbose: o.verbose, Top: o.top, Show: shown, Width: fileWidth}
	if file, ok := w.(*os.File); ok && terminal {
		if width, height, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			t.Width = min(width, mostWidth)
			t.Height = max(height-1, 0) // the last line is the shell's
		}
	}
	if o.full || o.verbose || o.listBlocks() || o.topGiven || shown != (report.Parts{}) {
		t.Height = 0
	}
	// What the stacks are sorted by is said of each.
	t.Show.Peak = t.Show.Peak || o.sort.OfPast()
	t.Show.Threads = t.Show.Threads || o.sort.OfThreads()
	if o.width > 0 {
		t.Width = o.width
	}
	return t
}

// orderNames lists the orders of stacks, the default first.
func orderNames() string {
	n := len(diagnose.Orders) - 1
	var b strings.Builder
	for i, o := range diagnose.Orders[:n] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(o))
	}
	return b.String() + " or " + string(diagnose.Orders[n])
}
