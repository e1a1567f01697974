package main

import (
	"errors"
	"fmt"
	"sync"

	"github.com/spf13/pflag"

	"memtrace/tracer/diagnose"
	"memtrace/tracer/record"
	"memtrace/tracer/report"
)

// laterFlags are those of commands that read records, whose names may have been left out.
type laterFlags struct {
	dirs []string
	// mu guards names, which are kept: symbols take long to read.
	mu    sync.Mutex
	names *diagnose.Names
}

func (f *laterFlags) add(fs *pflag.FlagSet) {
	fs.StringSliceVar(&f.dirs, "debug-dir", []string{diagnose.DefaultDebugDir}, "search `DIR` for the files of a record made with --symbols later, by build ID (repeatable)")
}

// each calls do with the snapshots of a record from the first to the last, with names.
func (f *laterFlags) each(r *record.Reader, first, last int, do func(i int, reports []*report.Report) error) error {
	f.again()
	return r.Each(first, last, func(i int, reports []*report.Report) error {
		if err := f.give(reports); err != nil {
			return fmt.Errorf("name the frames: %w", err)
		}
		return do(i, reports)
	})
}

// again has files looked for again that were not there.
func (f *laterFlags) again() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.names == nil {
		f.names = diagnose.NewNames(f.dirs)
	}
	f.names.Retry()
}

func (f *laterFlags) give(reports []*report.Report) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range reports {
		err = errors.Join(err, f.names.Give(one))
	}
	return err
}

// at returns one snapshot of a record, with names.
func (f *laterFlags) at(r *record.Reader, i int) (reports []*report.Report, err error) {
	err = f.each(r, i, i, func(_ int, made []*report.Report) error {
		reports = made
		return nil
	})
	return reports, err
}
