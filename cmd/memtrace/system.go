package main

import (
	"context"
	"errors"
	"io"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/sysmem"
)

// runSystem runs memtrace system.
func runSystem(_ context.Context, args []string, stdout, _ io.Writer) (exitCode, error) {
	var c common
	fs := newFlagSet("system")
	c.add(fs)
	if err := c.parse(fs, args); err != nil {
		return exitUsage, err
	}
	if c.help {
		return exitOK, printText(stdout, `memtrace system shows the memory of the machine: what uses it, how much of it is
available, and why that is less than what is free or cached. It changes nothing.

Usage:
  memtrace system [flags]

`, flagUsages(fs))
	}
	if fs.NArg() > 0 {
		return exitUsage, usagef("system takes no arguments: %s", fs.Arg(0))
	}
	out, err := c.open(stdout)
	if err != nil {
		return exitError, err
	}
	s, err := sysmem.Read()
	if err == nil {
		r := &report.SystemReport{Schema: report.Schema, Time: time.Now(), System: *s}
		err = out.emit(func(w io.Writer) error {
			if c.format == formatJSON {
				return report.SystemJSON(w, r)
			}
			return report.SystemText(w, r, out.text)
		})
	}
	return exitOK, errors.Join(err, out.Close())
}
