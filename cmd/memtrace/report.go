package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"memtrace/tracer"
	"memtrace/tracer/diagnose"
	"memtrace/tracer/record"
	"memtrace/tracer/report"
)

// reportOptions are the command line of memtrace report, checked.
type reportOptions struct {
	options
	laterFlags
	at, from, to string
	list         bool
}

func parseReport(args []string) (*reportOptions, *pflag.FlagSet, error) {
	o := new(reportOptions)
	fs := newFlagSet("report")
	fs.StringVar(&o.at, "at", "", "report what was there at `TIME` (otherwise at the end): "+momentSyntax)
	fs.StringVar(&o.from, "from", "", "report every snapshot from `TIME` on")
	fs.StringVar(&o.to, "to", "", "report every snapshot up to `TIME`")
	fs.BoolVar(&o.list, "list", false, "list the snapshots and marks instead")
	o.addRenderFlags(fs)
	fs.StringVar((*string)(&o.sort), "sort", string(tracer.ByLeak), "sort the stacks by `KEY`: "+orderNames())
	o.laterFlags.add(fs)
	if err := parse(fs, args, &o.help); err != nil || o.help {
		return o, fs, err
	}
	o.topGiven = fs.Changed("top")
	o.fillForm(fs)
	form, _ := report.FindForm(o.format)
	several := o.from != "" || o.to != ""
	switch {
	case o.list && (several || o.at != "" || o.output != "" || fs.Changed("format")):
		return o, fs, usagef("--list lists all, as text: leave out --at, --from, --to, --format and --output")
	case fs.NArg() != 1:
		return o, fs, usagef("give one record: memtrace report FILE")
	case !slices.Contains(diagnose.Orders, o.sort):
		return o, fs, usagef("--sort %s: give %s", o.sort, orderNames())
	case several && o.at != "":
		return o, fs, usagef("--at excludes --from and --to: give one or the others")
	case several && form.Single:
		return o, fs, usagef("--format %s holds only one report: give --at instead of --from and --to", o.format)
	}
	return o, fs, o.checkRender()
}

// addRenderFlags adds the flags of commands that show what was recorded.
func (o *options) addRenderFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.format, "format", "f", formatText, "report as `FORM`: "+report.FormNames("|", "|"))
	fs.StringVarP(&o.output, "output", "o", "", "write the report to `FILE` instead of stdout")
	fs.IntVarP(&o.top, "top", "T", 10, "show `N` stacks (0 = all)")
	fs.BoolVar(&o.full, "full", false, "report everything")
	fs.StringSliceVar(&o.show, "show", nil, "report these `PARTS` beside the answer: "+strings.Join(partNamesOfRecords(), ", "))
	fs.IntVar(&o.width, "width", 0, "make the report `N` columns wide (otherwise as the terminal, and 100 elsewhere)")
	fs.StringVar(&o.color, "color", "auto", "color the report (`WHEN`: auto|always|never)")
	fs.BoolVarP(&o.verbose, "verbose", "v", false, "report more: stack ids, rarer counts, addresses")
	fs.BoolVarP(&o.help, "help", "h", false, "print this help")
}

// partNamesOfRecords are the names of what a record has.
func partNamesOfRecords() []string {
	return slices.DeleteFunc(partNames(), func(name string) bool { return name == showBlocks })
}

// checkRender checks those flags.
func (o *options) checkRender() error {
	if slices.Contains(o.show, showBlocks) {
		return usagef("--show blocks: a record has no single blocks")
	}
	return o.checkForm()
}

// runReport runs memtrace report.
func runReport(_ context.Context, args []string, stdout, _ io.Writer) (exitCode, error) {
	o, fs, err := parseReport(args)
	if err != nil {
		return exitUsage, err
	}
	if o.help {
		return exitOK, printText(stdout, `memtrace report renders a record that memtrace --record has made, on any machine:
names are inside, unless it was made with --symbols later. Then they are looked up
by build ID where the process had its files, and in --debug-dir.

Usage:
  memtrace report FILE [flags]

`, flagUsages(fs))
	}
	r, err := record.Open(fs.Arg(0))
	if err != nil {
		return exitError, err
	}
	defer func() { _ = r.Close() }()
	if o.list {
		return exitOK, printText(stdout, listing(r))
	}
	if err := checkOutput(o.output, fs.Arg(0)); err != nil {
		return exitUsage, err
	}
	out, err := openOutput(&o.options, stdout)
	if err != nil {
		return exitError, err
	}
	return exitOK, errors.Join(o.render(r, out), out.Close())
}

// render writes the snapshots that are asked for.
func (o *reportOptions) render(r *record.Reader, out *output) error {
	first, last, err := o.moments(r)
	if err != nil {
		return err
	}
	return o.each(r, first, last, func(i int, reports []*report.Report) error {
		for _, one := range reports {
			o.arrange(one, out.form.Totals)
			noteEnd(r, i, one)
		}
		return out.write(reports)
	})
}

// moments are the first and the last snapshot that is asked for.
func (o *reportOptions) moments(r *record.Reader) (first, last int, err error) {
	if o.from == "" && o.to == "" {
		first, err = findMoment(r, o.at, false)
		return first, first, err
	}
	if o.from != "" {
		if first, err = findMoment(r, o.from, true); err != nil {
			return 0, 0, err
		}
	}
	if last, err = findMoment(r, o.to, false); err == nil && first > last {
		err = usagef("--from %s is after --to %s", o.from, o.to)
	}
	return first, last, err
}

// noteEnd has the report of a last snapshot say if the record has no end.
func noteEnd(r *record.Reader, i int, one *report.Report) {
	if i == r.Len()-1 && !r.Ended() {
		one.Notes = append(one.Notes, fmt.Sprintf("The record has no end: memtrace still writes it, was killed, or could not write on. This is what it knew at %s.", r.Time(i).Format(time.DateTime)))
	}
}

// arrange puts the stacks of a report in order and cuts them to the worst. Those that hold nothing any
// more are left out as in the report of a trace, unless totals are shown or the order is about them.
func (o *options) arrange(r *report.Report, totals bool) {
	if !totals && !o.sort.OfPast() {
		all := len(r.Stacks)
		r.Stacks = slices.DeleteFunc(r.Stacks, func(s report.Stack) bool { return s.Past() })
		r.StacksTotal -= min(all-len(r.Stacks), r.StacksTotal)
	}
	diagnose.Sort(r.Stacks, o.sort)
	if r.Hints == nil {
		r.Hints = report.Hints(r, nil)
	}
	if o.top > 0 {
		r.Stacks = r.Stacks[:min(len(r.Stacks), o.top)]
	}
	if g := r.Growth; g != nil {
		slices.SortStableFunc(g.FaultStacks, func(a, b report.FaultStack) int { return cmp.Compare(b.Bytes, a.Bytes) })
		if o.top > 0 {
			g.FaultStacks = g.FaultStacks[:min(len(g.FaultStacks), o.top)]
		}
	}
}

// listing tells what is in a record.
func listing(r *record.Reader) string {
	start, marks := r.Time(0), r.Marks()
	var b strings.Builder
	fmt.Fprintf(&b, "%s from %s, %s", plural(r.Len(), "snapshot", "snapshots"), start.Format(time.DateTime+" MST"), plural(len(marks), "mark", "marks"))
	if !r.Ended() {
		b.WriteString(", without an end")
	}
	b.WriteString("\n")
	for i := range r.Len() + 1 {
		for len(marks) > 0 && (i == r.Len() || !marks[0].Time.After(r.Time(i))) {
			fmt.Fprintf(&b, "%s  %10s  mark %s\n", marks[0].Time.Format(time.DateTime), after(start, marks[0].Time), report.Escape(marks[0].Name))
			marks = marks[1:]
		}
		if i < r.Len() {
			fmt.Fprintf(&b, "%s  %10s\n", r.Time(i).Format(time.DateTime), after(start, r.Time(i)))
		}
	}
	return b.String()
}

// after is how long a moment is after the start.
func after(start, at time.Time) string { return "+" + report.Seconds(at.Sub(start).Seconds()) }
