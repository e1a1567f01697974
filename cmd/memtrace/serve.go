package main

import (
	"context"
	"io"

	"github.com/spf13/pflag"

	"memtrace/tracer/report"
	"memtrace/tracer/report/serve"
)

// runServe runs memtrace serve.
func runServe(ctx context.Context, args []string, stdout, stderr io.Writer) (exitCode, error) {
	if meansRecord(args) {
		return serveRecord(ctx, args, stdout, stderr)
	}
	var f serveFlags
	o, fs, err := parseFlags(args, f.add, func(fs *pflag.FlagSet) {
		fs.Lookup("quiet").Usage = "print only the address and errors: no messages, and no report at the end unless it goes to a file"
	})
	switch {
	case err != nil && !o.given() && len(o.command) == 0 && meansRecord(fs.Args()) && isFile(fs.Arg(0)):
		return exitUsage, usagef("the record comes first: memtrace serve %s --listen ...", fs.Arg(0))
	case err != nil:
		return exitUsage, err
	case o.help:
		return exitOK, printServeHelp(stdout, fs)
	case o.version:
		return exitOK, printText(stdout, "memtrace ", version(), "\n")
	}
	listener, token, err := f.open()
	if err != nil {
		return exitError, err
	}
	defer func() { _ = listener.Close() }() // the server closes it first, if there is one
	if o.quiet && o.output == "" {
		stdout = io.Discard
	}
	top := o.top
	if !o.topGiven {
		top = defaultTop // whatever the form of the report at the end has
	}
	s := newSession(o, stderr)
	s.besideFiles = serve.MostConnections
	s.beside = func() func() {
		server := serve.Start(listener, serve.Config{
			Look: s.looks(), Top: top, Text: o.layOut(nil, false), Token: token, Logf: s.log.message,
		})
		sayServing(stderr, server, "until the trace ends")
		return server.Close
	}
	return s.run(ctx, stdout, stderr)
}

// sayServing says where reports are served, with --quiet, too: the port and the token are in it.
func sayServing(stderr io.Writer, server *serve.Server, until string) {
	say(stderr, "serving "+server.URL()+" "+until)
}

func printServeHelp(w io.Writer, fs *pflag.FlagSet) error {
	return printText(w, `memtrace serve traces as memtrace does, and shows reports of the moment meanwhile:
the page of -f html for browsers, every other form, metrics for Prometheus, and
a heap profile. It needs root.

Usage:
  memtrace serve -p PID|NAME [flags]
  memtrace serve [flags] -- COMMAND ARGS…
  memtrace serve FILE [--listen HOST:PORT] [--token-file FILE] [--at TIME]
                      [--sort KEY] [--debug-dir DIR]

`, flagUsages(fs), `
Paths: / /processes /report?f=FORM /report.json /report.txt /metrics
/debug/pprof/heap, each with ?pid=PID, ?top=N or ?refresh=SECONDS. It serves until
Ctrl-C, --duration, or the end of the process, and then reports. FILE is a record
of memtrace --record: that needs no root, and shows the last snapshot, of a record
that is still written too.
`)
}

// looks returns what makes the reports of a moment. They have as many stacks as any form shows,
// unless --top is given.
func (s *session) looks() func(totals bool) ([]*report.Report, error) {
	top := s.top
	if page, ok := report.FindForm("html"); ok && !s.topGiven {
		top = page.Top
	}
	return func(totals bool) ([]*report.Report, error) {
		s.limitMemory(s.tracer.Status())
		return s.reports(report.Form{Totals: totals}, top), nil
	}
}

// observe runs the trace to its end, with what goes on beside it or is shown of it meanwhile.
func (s *session) observe(ctx context.Context, stderr io.Writer) error {
	defer s.lookBeside()() // before anything beside the trace makes reports
	if s.beside != nil {
		defer s.beside()()
	}
	if s.screen != nil {
		return s.watch(ctx)
	}
	return s.collect(ctx, stderr)
}
