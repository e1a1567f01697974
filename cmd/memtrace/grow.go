package main

import (
	"context"
	"io"

	"github.com/spf13/pflag"

	"memtrace/tracer"
)

// parseGrow reads the command line of memtrace grow.
func parseGrow(args []string) (*options, *pflag.FlagSet, error) {
	o := &options{growth: true, sort: tracer.BySize}
	fs := newFlagSet("grow")
	o.targets.add(fs, "watch")
	fs.VarP((*durationValue)(&o.duration), "duration", "d", "stop after `DUR` (otherwise at Ctrl-C, or when the process exits)")
	fs.VarP((*durationValue)(&o.interval), "interval", "i", "print a report every `DUR`")
	fs.IntVarP(&o.top, "top", "T", 10, "show `N` stacks (0 = all)")
	o.addReportFlags(fs)
	fs.BoolVarP(&o.verbose, "verbose", "v", false, "report more: stack ids and addresses")
	fs.BoolVarP(&o.help, "help", "h", false, "print this help")
	if err := parse(fs, args, &o.help); err != nil || o.help {
		return o, fs, err
	}
	o.fillForm(fs)
	if err := o.parsePositional(fs.Args()); err != nil {
		return o, fs, err
	}
	if !o.given() {
		return o, fs, usagef("nothing to watch: give -p PID|NAME")
	}
	return o, fs, o.checkCommon()
}

// runGrow runs memtrace grow.
func runGrow(ctx context.Context, args []string, stdout, stderr io.Writer) (exitCode, error) {
	o, fs, err := parseGrow(args)
	if err != nil {
		return exitUsage, err
	}
	if o.help {
		return exitOK, printText(stdout, `memtrace grow shows which call stacks make the address space of a process grow,
and which touch new memory first. It puts no probe into the process, and costs
next to nothing. It needs root.

Usage:
  memtrace grow -p PID|NAME [flags] [INTERVAL [COUNT]]

`, flagUsages(fs), `
memtrace reports at Ctrl-C, after --duration, or when the process exits. SIGUSR1
makes it report at once. Growth is what brk, mmap, mremap and mprotect added and
the process did not give back, in whole pages. How much of it is in memory is
estimated from a sample of the page faults.
`)
	}
	return newSession(o, stderr).run(ctx, stdout, stderr)
}
