package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"memtrace/tracer/changes"
	"memtrace/tracer/record"
	"memtrace/tracer/report"
)

// diffOptions are the command line of memtrace diff, checked.
type diffOptions struct {
	options
	laterFlags
	from, to  string
	per, unit string
	compare   changes.Options
	form      report.DiffForm
}

func diffFormNames() (names []string) {
	for _, f := range report.DiffForms {
		names = append(names, f.Name)
	}
	return names
}

func parseDiff(args []string) (*diffOptions, *pflag.FlagSet, error) {
	o := new(diffOptions)
	fs := newFlagSet("diff")
	fs.StringVar(&o.from, "from", "", "of a record compare `TIME` (otherwise of one record its start, of two the end of the first): "+momentSyntax)
	fs.StringVar(&o.to, "to", "", "with `TIME` (otherwise the end)")
	fs.StringVar(&o.per, "per", "", "divide what is held by `N` units, or by N,M of the two sides; none compares it as it is, even if one side was traced for longer")
	fs.StringVar(&o.unit, "unit", "unit", "call a unit `NAME`, such as request")
	fs.StringVarP(&o.format, "format", "f", formatText, "write the difference as `FORM`: "+strings.Join(diffFormNames(), "|"))
	fs.StringVarP(&o.output, "output", "o", "", "write it to `FILE` instead of stdout")
	fs.IntVarP(&o.top, "top", "T", 10, "show `N` stacks (0 = all)")
	fs.IntVar(&o.width, "width", 0, "make the text `N` columns wide (otherwise as the terminal, and 100 elsewhere)")
	fs.StringVar(&o.color, "color", "auto", "color the text (`WHEN`: auto|always|never)")
	o.laterFlags.add(fs)
	fs.BoolVarP(&o.help, "help", "h", false, "print this help")
	if err := parse(fs, args, &o.help); err != nil || o.help {
		return o, fs, err
	}
	o.topGiven = fs.Changed("top")
	i := slices.IndexFunc(report.DiffForms, func(f report.DiffForm) bool { return f.Name == o.format })
	switch {
	case fs.NArg() == 0 || fs.NArg() > 2:
		return o, fs, usagef("give two files, or one record: memtrace diff A B")
	case i < 0:
		return o, fs, usagef("--format %s: give %s", o.format, strings.Join(diffFormNames(), ", "))
	case fs.Changed("unit") && o.per == "":
		return o, fs, usagef("--unit %s goes with --per N", o.unit)
	}
	o.form = report.DiffForms[i]
	if err := o.parsePer(); err != nil {
		return o, fs, err
	}
	if o.compare.Top = o.top; o.form.Top > 0 && !o.topGiven {
		o.compare.Top = o.form.Top
	}
	o.format = formatText // of which the options below are
	return o, fs, o.checkForm()
}

// parsePer reads N, or N,M, or none.
func (o *diffOptions) parsePer() error {
	o.compare.Unit = o.unit
	switch o.per {
	case "":
		return nil
	case "none":
		o.compare.Absolute = true
		return nil
	}
	first, second, two := strings.Cut(o.per, ",")
	if !two {
		second = first
	}
	for i, text := range []string{first, second} {
		n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || !(n > 0) || n > 1e300 {
			return usagef("--per %s: give how many units were worked through, such as 1000 or 1000,1200, or none", o.per)
		}
		o.compare.Per[i] = n
	}
	return nil
}

// runDiff runs memtrace diff.
func runDiff(_ context.Context, args []string, stdout, _ io.Writer) (exitCode, error) {
	o, fs, err := parseDiff(args)
	if err != nil {
		return exitUsage, err
	}
	if o.help {
		return exitOK, printText(stdout, `memtrace diff shows which stacks grew, shrank, came or went between two traces, or
two moments of one. A and B are records (memtrace --record), reports in JSON
(-f json), or profiles (-f pprof, or those of other tools).

Usage:
  memtrace diff A B [flags]
  memtrace diff RECORD --from TIME --to TIME [flags]

`, flagUsages(fs), `
Where one side was traced for longer than the other, what leaks there is scaled
to the shorter time. Write reports and profiles to compare with -T 0.
`)
	}
	if err := checkOutput(o.output, fs.Args()...); err != nil {
		return exitUsage, err
	}
	d, err := o.diff(fs.Args())
	if err != nil {
		return exitError, err
	}
	out, err := openOutput(&o.options, stdout)
	if err != nil {
		return exitError, err
	}
	if o.form.Binary && o.output == "" && isTerminal(stdout) {
		return exitError, usagef("--format %s is binary: use --output FILE, or redirect", o.form.Name)
	}
	return exitOK, errors.Join(o.write(d, out), out.Close())
}

func (o *diffOptions) write(d *report.Diff, out *output) error {
	w := bufio.NewWriter(out.w)
	if err := o.form.Write(w, d, out.text); err != nil {
		return fmt.Errorf("write the difference: %w", err)
	}
	return out.finish(w)
}

// diff loads both sides and compares them.
func (o *diffOptions) diff(files []string) (*report.Diff, error) {
	fromTime, toTime := o.from, o.to
	alone := len(files) == 1
	if alone {
		files = []string{files[0], files[0]}
		if fromTime == "" {
			fromTime = "start"
		}
	}
	var sides [2]*changes.Side
	for i, at := range []string{fromTime, toTime} {
		var err error
		if sides[i], err = o.loadSide(files[i], at, alone); err != nil {
			return nil, err
		}
	}
	if sides[0].Path != "" && sides[0].Path == sides[1].Path && sides[0].At.After(sides[1].At) {
		return nil, usagef("--from %s is after --to %s", o.from, o.to)
	}
	for i, s := range sides {
		if s.Estimated() && o.per != "" {
			return nil, usagef("--per %s is about what is held, but %s was watched in windows of time: rates of leaks are compared; leave it out", o.per, files[i])
		}
	}
	return changes.Of(sides[0], sides[1], o.compare), nil
}

// loadSide loads a record at a moment, the end if that is "", or another file. alone: both sides are
// this one.
func (f *laterFlags) loadSide(path, at string, alone bool) (*changes.Side, error) {
	r, err := record.Open(path)
	if errors.Is(err, record.ErrForeign) {
		switch {
		case alone:
			return nil, fmt.Errorf("%s is no record, so it has only one moment: give another file to compare it with", path)
		case at != "":
			return nil, fmt.Errorf("%s is no record, so it has no moments: leave out --from and --to", path)
		}
		return changes.Load(path)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	i, err := findMoment(r, at, false)
	if err != nil {
		return nil, err
	}
	reports, err := f.at(r, i)
	if err != nil {
		return nil, err
	}
	s := changes.FromReports("record", path, reports)
	s.Path, s.At = path, r.Time(i)
	return s, nil
}
