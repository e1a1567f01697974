package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"memtrace/tracer/diagnose"
	"memtrace/tracer/record"
	"memtrace/tracer/report"
)

// laterFlags are those of commands that read records, whose names may have been left out.
type laterFlags struct{ dirs []string }

func (f *laterFlags) add(fs *pflag.FlagSet) {
	fs.StringSliceVar(&f.dirs, "debug-dir", []string{"/usr/lib/debug"}, "search `DIR` for the files of a record made with --symbols later, by build ID (repeatable)")
}

// each calls do with the snapshots of a record from the first to the last, with names.
func (f *laterFlags) each(r *record.Reader, first, last int, do func(i int, reports []*report.Report) error) error {
	names := diagnose.NewNames(f.dirs)
	defer names.Close()
	return r.Each(first, last, func(i int, reports []*report.Report) error {
		var errs []error
		for _, one := range reports {
			errs = append(errs, names.Give(one))
		}
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("name the frames: %w", err)
		}
		return do(i, reports)
	})
}

// at returns one snapshot of a record, with names.
func (f *laterFlags) at(r *record.Reader, i int) (reports []*report.Report, err error) {
	err = f.each(r, i, i, func(_ int, made []*report.Report) error {
		reports = made
		return nil
	})
	return reports, err
}
