package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"memtrace/tracer/process/kin"
	"memtrace/tracer/region"
	"memtrace/tracer/region/proc"
	"memtrace/tracer/report"
)

const defaultInterval = time.Second

// regionsOptions are the command line of memtrace regions, checked.
type regionsOptions struct {
	common
	pids     pidsValue
	interval time.Duration
	count    int // polls after the first, 0: no bound
	duration time.Duration
	top      int
	topGiven bool
	quiet    bool
}

func parseRegions(args []string) (*regionsOptions, *pflag.FlagSet, error) {
	o := &regionsOptions{interval: defaultInterval}
	fs := newFlagSet("regions")
	fs.VarP(&o.pids, "pid", "p", "the process to watch, by id or name")
	fs.VarP((*durationValue)(&o.duration), "duration", "d", "stop after `DUR` (otherwise at Ctrl-C, or when the process exits)")
	fs.IntVarP(&o.top, "top", "T", 10, "show `N` growing segments (0 = all)")
	o.add(fs)
	fs.BoolVarP(&o.quiet, "quiet", "q", false, "print only the report, no messages")
	if err := o.parse(fs, args); err != nil || o.help {
		return o, fs, err
	}
	o.topGiven = fs.Changed("top")
	return o, fs, o.check("watch")
}

// parse parses args.
func (o *regionsOptions) parse(fs *pflag.FlagSet, args []string) error {
	if err := o.common.parse(fs, args); err != nil || o.help {
		return err
	}
	return o.parsePositional(fs.Args())
}

// check rejects values out of range and flags that contradict each other. purpose is what is done to
// processes.
func (o *regionsOptions) check(purpose string) error {
	switch {
	case len(o.pids) == 0:
		return usagef("nothing to %s: give -p PID|NAME", purpose)
	case len(o.pids) > 1:
		return usagef("-p %v: one process is watched at a time", &o.pids)
	case o.top < 0:
		return usagef("--top %d: give 0 for all, or how many", o.top)
	case o.count > 0 && o.duration > 0:
		return usagef("--duration and a number of looks exclude each other: give one")
	case o.interval < 10*time.Millisecond:
		return usagef("an interval of %v is too short: give 10ms or more", o.interval)
	}
	return nil
}

// parsePositional reads INTERVAL [COUNT].
func (o *regionsOptions) parsePositional(args []string) error {
	if len(args) > 2 {
		return usagef("too many arguments: %s", args[2])
	}
	if len(args) > 0 {
		err := (*durationValue)(&o.interval).Set(args[0])
		if text := explainPositional(args[0], len(o.pids) > 0); text != "" && (err != nil || len(o.pids) == 0) {
			return usagef("%s", text)
		}
		if err != nil || o.interval == 0 {
			return usagef("%q is not an interval: give seconds, or 500ms, 2m", args[0])
		}
	}
	if len(args) > 1 {
		n, err := strconv.Atoi(args[1])
		if err != nil || n < 1 {
			return usagef("%q is not a number of looks", args[1])
		}
		o.count = n
	}
	return nil
}

// runRegions runs memtrace regions.
func runRegions(ctx context.Context, args []string, stdout, stderr io.Writer) (exitCode, error) {
	o, fs, err := parseRegions(args)
	if err != nil {
		return exitUsage, err
	}
	if o.help {
		return exitOK, printText(stdout, `memtrace regions shows the address space of a process by class, and what of it
grows. It attaches nothing. Without root it can look at your own processes.

Usage:
  memtrace regions -p PID|NAME [flags] [INTERVAL [COUNT]]

`, flagUsages(fs), `
memtrace looks at the mappings every INTERVAL (1 s). It reports after COUNT
looks, after --duration, at Ctrl-C, or when the process exits. SIGUSR1 makes it
report at once. It takes at least six looks to tell growth.
`)
	}
	out, err := o.open(stdout)
	if err != nil {
		return exitError, err
	}
	return exitOK, errors.Join(o.watch(ctx, out, stderr), out.Close())
}

// watch polls until the end and writes the report.
func (o *regionsOptions) watch(ctx context.Context, out *output, stderr io.Writer) error {
	p, err := proc.Open(o.pids[0])
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	sampler, around := region.NewSampler(p, region.Config{}), kin.NewWatch(p.PID)
	if err := sampler.Poll(time.Now()); err != nil {
		return fmt.Errorf("look at process %d: %w", o.pids[0], err)
	}
	around.Poll(time.Now())
	stops, endStops := watchStops()
	defer endStops()
	log := logger{w: stderr, quiet: o.quiet}
	switch {
	case o.count > 0:
		log.message("watching for %v", time.Duration(o.count)*o.interval)
	case o.duration > 0:
		log.message("watching for %v", o.duration)
	default:
		log.message("watching; Ctrl-C for the report")
	}
	err = o.poll(ctx, sampler, around, func() error { return o.report(p, sampler, around, stops, out) })
	if err != nil && !errors.Is(err, region.ErrGone) {
		return fmt.Errorf("look at process %d: %w", o.pids[0], err)
	}
	return o.report(p, sampler, around, stops, out)
}

// begin returns a context that ends after --duration, and what says that a report is to be made at once.
func (o *regionsOptions) begin(ctx context.Context) (until context.Context, demand <-chan os.Signal, end func()) {
	cancel := func() {}
	if o.duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, o.duration)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	return ctx, signals, func() {
		signal.Stop(signals)
		cancel()
	}
}

// poll polls until there is nothing left to do. The report makes the last poll itself.
func (o *regionsOptions) poll(ctx context.Context, sampler *region.Sampler, around *kin.Watch, now func() error) error {
	ctx, demand, end := o.begin(ctx)
	defer end()
	tick := time.NewTicker(o.interval)
	defer tick.Stop()
	kinTick := time.NewTicker(kinInterval)
	defer kinTick.Stop()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-demand:
			if err := now(); err != nil {
				return err
			}
		case <-kinTick.C:
			around.Poll(time.Now())
		case <-tick.C:
			if n++; o.count > 0 && n >= o.count {
				return nil
			}
			if err := sampler.Poll(time.Now()); err != nil {
				return err
			}
		}
	}
}

// report writes what is known so far.
func (o *regionsOptions) report(p *proc.Process, sampler *region.Sampler, family *kin.Watch, stops *stops, out *output) error {
	snap, err := sampler.Snapshot(time.Now())
	if err != nil {
		return err
	}
	r := &report.MemoryReport{
		Schema: report.Schema,
		Target: report.Target{PID: p.PID, Command: p.Command, Exe: p.Exe, Exited: snap.Gone},
		Start:  snap.Start, End: snap.End, DurationSeconds: snap.End.Sub(snap.Start).Seconds(),
		Memory: *snap.Report(),
	}
	known := family.Snapshot(time.Now())
	around := aroundOf(&known, p.PID)
	r.Answer = around.answer(snap, &r.Target)
	r.Memory.Notes = append(r.Memory.Notes, around.notes()...)
	stops.settle()
	if text := stops.String(); text != "" {
		r.Memory.Notes = append(r.Memory.Notes, text+" "+unpolled)
	}
	text := out.text
	if text.Top = o.top; o.topGiven {
		text.Height = 0
	}
	return out.emit(func(w io.Writer) error {
		if o.format == formatJSON {
			return report.MemoryJSON(w, r)
		}
		return report.MemoryText(w, r, text)
	})
}
