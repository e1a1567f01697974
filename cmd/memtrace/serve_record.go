package main

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"memtrace/tracer"
	"memtrace/tracer/diagnose"
	"memtrace/tracer/record"
	"memtrace/tracer/report"
	"memtrace/tracer/report/serve"
)

// meansRecord reports whether a command line is about a record. It then comes first.
func meansRecord(args []string) bool {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return false
	}
	var interval time.Duration
	return (*durationValue)(&interval).Set(args[0]) != nil
}

// isFile reports whether a file is there, one as records are.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// servedRecord is a record that memtrace serve shows.
type servedRecord struct {
	options
	laterFlags
	path, at string
}

// serveRecord serves a record until ctx is done.
func serveRecord(ctx context.Context, args []string, stdout, stderr io.Writer) (exitCode, error) {
	var f serveFlags
	r := &servedRecord{path: args[0]}
	fs := newFlagSet("serve")
	f.add(fs)
	fs.StringVar(&r.at, "at", "", "show what was there at `TIME` (otherwise at the end): "+momentSyntax)
	fs.StringVar((*string)(&r.sort), "sort", string(tracer.ByLeak), "sort the stacks by `KEY`: "+orderNames())
	r.laterFlags.add(fs)
	err := parse(fs, args[1:], &r.help)
	switch {
	case err != nil:
		return exitUsage, err
	case r.help:
		return runServe(ctx, []string{"--help"}, stdout, stderr)
	case fs.NArg() > 0:
		return exitUsage, usagef("too many arguments: %s (give one record)", strings.Join(fs.Args(), " "))
	case !slices.Contains(diagnose.Orders, r.sort):
		return exitUsage, usagef("--sort %s: give %s", r.sort, orderNames())
	}
	if err := checkSurroundings(fewFiles+serve.MostConnections, false); err != nil {
		return exitError, err
	}
	if _, err := r.look(false); err != nil {
		return exitError, err
	}
	listener, token, err := f.open()
	if err != nil {
		return exitError, err
	}
	log := logger{w: stderr}
	server := serve.Start(listener, serve.Config{
		Look: r.look, Top: defaultTop, Text: r.layOut(nil, false), Token: token, Ended: true, Logf: log.message,
	})
	sayServing(stderr, server, "until Ctrl-C")
	<-ctx.Done()
	server.Close()
	return exitOK, nil
}

// look reads the record anew: memtrace may still write it.
func (r *servedRecord) look(totals bool) (reports []*report.Report, err error) {
	in, err := record.Open(r.path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	i, err := findMoment(in, r.at, false)
	if err != nil {
		return nil, err
	}
	if reports, err = r.laterFlags.at(in, i); err != nil {
		return nil, err
	}
	for _, one := range reports {
		r.arrange(one, totals)
		noteEnd(in, i, one)
	}
	return reports, nil
}
