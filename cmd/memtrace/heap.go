package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"memtrace/tracer/inspect"
	"memtrace/tracer/report"
	"memtrace/tracer/report/html"
)

const (
	formatPprof = "pprof"
	formatHTML  = "html"
	// heapInterval is how far looks at a heap are apart unless that is given.
	heapInterval = 10 * time.Second
	// defaultMaxStall is for how long --freeze may stop a process unless that is given.
	defaultMaxStall = 250 * time.Millisecond
	// leastHeapMemory is the least --max-memory, in bytes.
	leastHeapMemory = 64 << 20
	// firstReport is after how many looks growth can be told.
	firstReport = 3
)

// heapOptions are the command line of memtrace heap, checked.
type heapOptions struct {
	regionsOptions
	maxOverhead float64
	maxMemory   uint64
	freeze      bool
	maxStall    time.Duration
	suppressed  suppressions
	why         addressValue
}

func parseHeap(args []string) (*heapOptions, *pflag.FlagSet, error) {
	o := &heapOptions{}
	o.interval, o.forms, o.maxMemory = heapInterval, []string{formatPprof, formatHTML}, 1<<30
	o.maxStall = defaultMaxStall
	fs := newFlagSet("heap")
	fs.VarP(&o.pids, "pid", "p", "the process to look at, by id or name")
	fs.VarP((*durationValue)(&o.duration), "duration", "d", "stop after `DUR` (otherwise at Ctrl-C, or when the process exits)")
	fs.IntVarP(&o.top, "top", "T", 10, "show `N` entries of each list (0 = all)")
	fs.Var(&o.why, "why", "show how the block at `ADDRESS` is reached, after one look unless more are asked for")
	fs.Var(&o.suppressed, "suppressions", "hide blocks by a `FILE` in LeakSanitizer's format, by their kind and by the module and name of what holds them (repeatable)")
	fs.Float64Var(&o.maxOverhead, "max-overhead", 3, "let reading take at most `PERCENT` of one core: looks are farther apart if they must be")
	fs.Var((*sizeValue)(&o.maxMemory), "max-memory", "let memtrace itself take at most `BYTES` of memory: of a heap with more blocks than fit a part is looked at")
	fs.BoolVar(&o.freeze, "freeze", false, "stop the process for a look, copy its memory and registers, and look at the copy; one look unless more are asked for")
	fs.Var((*durationValue)(&o.maxStall), "max-stall", "with --freeze: refuse if the process would be stopped for more than `DUR`")
	o.add(fs)
	fs.BoolVarP(&o.quiet, "quiet", "q", false, "print only the report, no messages")
	if err := o.parse(fs, args); err != nil || o.help {
		return o, fs, err
	}
	if !(o.maxOverhead >= 0.1 && o.maxOverhead <= 100) {
		return o, fs, usagef("--max-overhead %g: give 0.1 to 100 percent", o.maxOverhead)
	}
	if o.maxMemory < leastHeapMemory {
		return o, fs, usagef("--max-memory %s: give at least %s", (*sizeValue)(&o.maxMemory), report.Size(leastHeapMemory))
	}
	if err := o.check("look at"); err != nil {
		return o, fs, err
	}
	if (o.why != 0 || o.freeze) && o.count == 0 && o.duration == 0 {
		o.count = 1
	}
	switch {
	case fs.Changed("max-stall") && !o.freeze:
		return o, fs, usagef("--max-stall is for --freeze: otherwise nothing is stopped")
	case o.maxStall < time.Millisecond || o.maxStall > time.Minute:
		return o, fs, usagef("--max-stall %v: give 1ms to 1m", o.maxStall)
	}
	return o, fs, o.suppressed.read()
}

// runHeap runs memtrace heap.
func runHeap(ctx context.Context, args []string, stdout, stderr io.Writer) (exitCode, error) {
	o, fs, err := parseHeap(args)
	if err != nil {
		return exitUsage, err
	}
	if o.help {
		return exitOK, printText(stdout, `memtrace heap shows what is in the heap of a process now, also what it allocated
long ago: what grows, what nobody points at, and who holds the rest. It reads
the process's memory from outside, puts no probe into it, and stops it only if
--freeze says so.
The heap must be that of glibc's malloc. Without root it can look at your own
processes, unless the kernel forbids that (kernel.yama.ptrace_scope).

Usage:
  memtrace heap -p PID|NAME [flags] [INTERVAL [COUNT]]

`, flagUsages(fs), `
memtrace looks at all blocks every INTERVAL (10 s). It takes three looks to tell
what grows and what nobody points at: the first report comes then, and the last
one after COUNT looks, after --duration, at Ctrl-C, or when the process exits.
SIGUSR1 makes it report at once.
`)
	}
	out, err := o.open(stdout)
	if err != nil {
		return exitError, err
	}
	return exitOK, errors.Join(o.watch(ctx, out, stderr), out.Close())
}

// watch looks until the end and writes the reports.
func (o *heapOptions) watch(ctx context.Context, out *output, stderr io.Writer) error {
	// Most of what is kept are a few large arrays, which cost little to look at.
	const garbage = 10 // percent of what is in use
	defer debug.SetGCPercent(debug.SetGCPercent(garbage))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(int64(min(o.maxMemory, math.MaxInt64))))
	looker, err := inspect.Open(inspect.Config{
		PID: o.pids[0], MaxOverhead: o.maxOverhead / 100, MaxMemory: o.maxMemory, Freeze: o.freeze, MaxStall: o.maxStall, Why: uint64(o.why), Suppressions: o.suppressed.list,
	})
	if err != nil {
		return err
	}
	err = o.look(ctx, looker, out, logger{w: stderr, quiet: o.quiet})
	return errors.Join(err, looker.Close())
}

// heapLooker is an inspect.Looker.
type heapLooker interface {
	Look(ctx context.Context) error
	Looks() int
	Pause(interval time.Duration) time.Duration
	Took() time.Duration
	Report(top int) *report.HeapReport
}

// look looks until the end.
func (o *heapOptions) look(ctx context.Context, looker heapLooker, out *output, log logger) error {
	if o.count == 0 && o.duration == 0 {
		log.message("looking every %v; Ctrl-C for the report", o.interval)
	}
	ctx, demand, end := o.begin(ctx)
	defer end()
	said := false
	for {
		var err error
		if ctx.Err() == nil {
			err = looker.Look(ctx)
			debug.FreeOSMemory()
		}
		switch {
		case inspect.Gone(err) && looker.Looks() == 0:
			return fmt.Errorf("process %d ended before a look at it was finished", o.pids[0])
		case inspect.Gone(err):
			log.message("the process is gone after %s", report.Counted(uint64(looker.Looks()), "look", "looks"))
			return o.report(looker, out)
		case ctx.Err() != nil:
			return o.report(looker, out)
		case err != nil:
			return o.refused(looker, out, err)
		}
		pause := looker.Pause(o.interval)
		if looker.Looks() == 0 {
			log.message("the process runs another program now: looks begin anew in %v", pause.Round(time.Second/10))
		} else if looker.Looks() < firstReport && o.count != looker.Looks() {
			log.message("look %d is done, the next one comes in %v", looker.Looks(), pause.Round(time.Second/10))
		}
		if o.count > 0 && looker.Looks() >= o.count {
			return o.report(looker, out)
		}
		if looker.Looks() == firstReport && o.reportsBetween(out) {
			if err := o.report(looker, out); err != nil {
				return err
			}
		}
		if pause > o.interval && !said {
			said = true
			log.message("a look takes %v of processor time, so that looks are farther apart (--max-overhead %g)", looker.Took().Round(time.Millisecond), o.maxOverhead)
		}
		if err := o.wait(ctx, pause, demand, func() error { return o.onDemand(looker, out, log) }); err != nil {
			return err
		}
	}
}

// refused reports what is known if no further look is possible, and says how one would be.
func (o *heapOptions) refused(looker heapLooker, out *output, err error) error {
	err = inspect.Advised(err)
	if looker.Looks() > 0 {
		err = errors.Join(o.report(looker, out), err)
	}
	return err
}

// reportsBetween reports whether there is a report before the last one.
func (o *heapOptions) reportsBetween(out *output) bool {
	return o.count == 0 && o.duration == 0 && !out.form.Single
}

// wait waits for the next look, and reports on demand.
func (o *heapOptions) wait(ctx context.Context, pause time.Duration, demand <-chan os.Signal, now func() error) error {
	next := time.NewTimer(pause)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
			return nil
		case <-demand:
			if err := now(); err != nil {
				return err
			}
		}
	}
}

// onDemand writes a report beside the last one, if the form may have several.
func (o *heapOptions) onDemand(looker heapLooker, out *output, log logger) error {
	if out.form.Single {
		log.message("--format %s holds only one report: it comes at the end", o.format)
		return nil
	}
	return o.report(looker, out)
}

// report writes what is known so far.
func (o *heapOptions) report(looker heapLooker, out *output) error {
	r := looker.Report(o.top)
	text := out.text
	text.Top = o.top
	return out.emit(func(w io.Writer) error {
		switch o.format {
		case formatJSON:
			return report.HeapJSON(w, r)
		case formatPprof:
			return report.HeapPprof(w, r)
		case formatHTML:
			return html.WriteHeap(w, r, o.top)
		}
		return report.HeapText(w, r, text)
	})
}

// addressValue is an address on the command line, in hexadecimal with or without 0x.
type addressValue uint64

func (v *addressValue) String() string {
	if *v == 0 {
		return ""
	}
	return "0x" + strconv.FormatUint(uint64(*v), 16)
}

func (v *addressValue) Type() string { return "ADDRESS" }

func (v *addressValue) Set(s string) error {
	digits := s
	if len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") {
		digits = s[2:]
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	if err != nil || n == 0 {
		return errors.New("give an address in hexadecimal, such as 0x5581d2c4a2a0")
	}
	*v = addressValue(n)
	return nil
}
