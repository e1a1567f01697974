package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"memtrace/tracer"
	"memtrace/tracer/launch"
	"memtrace/tracer/report"
)

// run is memtrace. Reports go to stdout, everything else to stderr. When ctx is done, run ends
// with a final report.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) exitCode {
	// Check before anything takes a descriptor or a thread.
	c := findSubcommand(args)
	if err := checkSurroundings(fewFiles, c == nil || c.onlyReads == nil || !c.onlyReads(args[1:])); err != nil {
		sayError(stderr, err)
		return exitError
	}
	if c != nil {
		return c.start(ctx, args[1:], stdout, stderr)
	}
	o, fs, err := parseFlags(args)
	if err != nil {
		sayError(stderr, err)
		fmt.Fprintln(stderr, "Try memtrace --help.")
		return exitUsage
	}
	code := exitOK
	switch {
	case o.help:
		err = printHelp(stdout, fs)
	case o.version:
		err = printText(stdout, "memtrace ", version(), "\n")
	default:
		s := newSession(o, stderr)
		s.screen = o.liveScreen(stdin, stdout)
		code, err = s.run(ctx, stdout, stderr)
	}
	if err != nil {
		sayError(stderr, err)
		if errors.As(err, new(usageError)) {
			return exitUsage
		}
		return exitError
	}
	return code
}

func printHelp(w io.Writer, fs *pflag.FlagSet) error {
	return printText(w, `memtrace shows which call stacks of a running process allocate memory and never
free it. It needs root.

Usage:
  memtrace -p PID|NAME [flags] [INTERVAL [COUNT]]
  memtrace [flags] -- COMMAND ARGS…
  memtrace grow -p PID|NAME [flags] [INTERVAL [COUNT]]
  memtrace heap -p PID|NAME [flags] [INTERVAL [COUNT]]
  memtrace regions -p PID|NAME [flags] [INTERVAL [COUNT]]
  memtrace serve -p PID|NAME [flags]
  memtrace system [flags]
  memtrace report FILE [flags]
  memtrace diff A B [flags]

`, flagUsages(fs), `
memtrace reports at Ctrl-C, after --duration, or when the process exits. SIGUSR1
makes it report at once. grow puts no probe into the process. heap, regions and
system only look. serve shows reports in a browser. Each command has its own --help.
`)
}

// session is one trace from the command line.
type session struct {
	*options
	log     logger
	out     *output
	command *launch.Command
	tree    *launch.Tree
	tracer  *tracer.Tracer
	stops   *stops
	// unnamed limits the messages about processes that cannot be traced, overdue those about
	// processes that were held for too long.
	unnamed, overdue fewMessages
	// last are the reports that were written last.
	last      []*report.Report
	marks     marks
	recorder  *recorder // nil without --record
	heapLooks heapLooks // nil without --heap
	// recorded is what reports say of the record, "" for nothing.
	recorded string
	// screen is what a live view is shown on, nil without one.
	screen *liveScreen
	// reporting guards packages, which are those of files that a hint was about.
	reporting sync.Mutex
	packages  packages
	// beside, unless nil, begins what goes on beside the trace, and returns what ends that. It has
	// so many files open.
	beside      func() (end func())
	besideFiles uint64
}

func newSession(o *options, stderr io.Writer) *session {
	return &session{options: o, log: logger{w: stderr, quiet: o.quiet, held: new(held)}, packages: make(packages)}
}

func (s *session) run(ctx context.Context, stdout, stderr io.Writer) (code exitCode, err error) {
	if err := checkSurroundings(traceFiles+s.besideFiles, true); err != nil {
		return exitError, err
	}
	if err := checkOutput(s.output, s.record.file); err != nil {
		return exitUsage, err
	}
	out, err := openOutput(s.options, stdout)
	if err != nil {
		return exitError, err
	}
	defer func() {
		if closeErr := out.Close(); err == nil && closeErr != nil {
			code, err = exitError, closeErr
		}
	}()
	s.out = out
	if err := s.openRecord(); err != nil {
		return exitError, err
	}
	defer s.abandonRecord()
	if err := s.open(ctx); err != nil {
		return exitError, explainLimit(err)
	}
	defer func() { _ = s.tracer.Close() }()
	defer keepMemoryLimit()()
	var endStops func()
	s.stops, endStops = watchStops()
	defer endStops()
	if err := s.announce(); err != nil {
		return exitError, err
	}
	err = s.observe(ctx, stderr)
	s.unfollow()
	if err != nil {
		s.abandonRecord() // it takes no snapshot once the tracer is closed, or while the command runs on
	} else {
		s.finishRecord()
		err = s.report()
	}
	if s.command != nil {
		var waitErr error
		code, waitErr = s.waitForCommand(ctx)
		err = errors.Join(err, waitErr)
	}
	if err != nil {
		return exitError, err
	}
	return s.pass(code, stderr), nil
}

// pass returns the exit status of a trace that went well, and says why if it does not pass its
// gate. A command that failed by itself keeps its status.
func (s *session) pass(code exitCode, stderr io.Writer) exitCode {
	why := s.gate.why(s.last)
	if why == "" {
		if text := s.gate.untold(s.last); text != "" {
			s.log.message("%s", text)
		}
		return code
	}
	say(stderr, why)
	if code == exitOK {
		code = exitGate
	}
	return code
}

// open attaches to the processes, or to a command once it is held. On errors nothing stays
// behind.
func (s *session) open(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			s.unfollow()
			if s.command != nil {
				s.command.Kill()
			}
		}
	}()
	pids := s.pids
	if len(s.options.command) > 0 {
		if s.command, err = launch.Start(s.options.command); err != nil {
			s.command = nil // there is none
			return err
		}
		pids = pidsValue{s.command.PID()}
	}
	overhead := s.maxOverhead / 100
	if s.exact {
		overhead = 0
	}
	if s.named != nil {
		s.named.Later = s.command != nil // a command maps its files as it runs
		s.named.DebugDirs = s.debugDir
	}
	release, err := s.prepareFollow(pids)
	if err != nil {
		return err
	}
	defer release()
	s.tracer, err = tracer.Open(ctx, tracer.Config{
		PIDs:        pids,
		Named:       s.named,
		Suppress:    s.suppressed.list,
		Follow:      s.follow,
		Joins:       len(s.groups) > 0,
		GrowthOnly:  s.growth,
		MaxOverhead: overhead,
		MaxStall:    s.maxStall,
		MaxSlowed:   s.maxSlowed / 100,
		StackDepth:  s.depth,
		MinSize:     s.minSize,
		MaxSize:     s.maxSize,
		RingSize:    int(s.ringSize),
		MaxMemory:   s.maxMemory,
		Older:       s.older,
		DebugDirs:   s.debugDir,
		NamesLater:  s.record.symbols == symbolsLater,
		Logf:        s.log.message,
		Verbose:     s.verbose,
	})
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return errors.New("stopped while attaching; no probe is left behind")
		}
		return explainNotFound(err)
	}
	return nil
}

// announce lets a held command run, and tells scripts and the user that every probe is live.
func (s *session) announce() error {
	if s.command != nil {
		if err := s.command.Release(); err != nil {
			s.command.Kill()
			return err
		}
	}
	if s.ready != "" {
		if err := os.WriteFile(s.ready, nil, 0o644); err != nil {
			return fmt.Errorf("create the ready file: %w", err)
		}
	}
	switch {
	case s.screen != nil: // which says so itself
	case s.duration > 0:
		s.log.message("tracing for %v", s.duration)
	case s.command != nil && s.follow:
		s.log.message("tracing until the command and its children end; Ctrl-C for the report")
	case s.command != nil:
		s.log.message("tracing until the command ends; Ctrl-C for the report")
	default:
		s.log.message("tracing; Ctrl-C for the report")
	}
	return nil
}

// collect runs the trace to its end and prints the interval reports that were asked for.
func (s *session) collect(ctx context.Context, stderr io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if s.duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, s.duration)
		defer cancel()
	}
	done, wait := s.trace(ctx)
	defer wait()
	defer cancel()

	progress := s.newProgress(stderr)
	defer progress.clear()
	on, end := s.occasions()
	defer end()
	if s.recorder != nil {
		s.recorder.start(s.snapshot)
	}
	var reportErr error
	now := func() {
		progress.clear()
		// There is no use in tracing on when a report cannot be written.
		if reportErr = s.report(); reportErr != nil {
			cancel()
		}
	}
	for {
		select {
		case err := <-done:
			return errors.Join(reportErr, err)
		case <-on.tick:
			status := s.tracer.Status()
			s.limitMemory(status)
			progress.show(status)
		case <-on.interval:
			// The last of COUNT reports is the final one.
			if ctx.Err() != nil || reportErr != nil || s.count > 0 && s.out.reports+1 >= s.count {
				continue
			}
			now()
		case <-on.mark:
			s.mark()
		case <-on.markTick:
			s.mark()
		case <-on.demand:
			if s.out.form.Single {
				s.log.message("--format %s holds only one report: it comes at the end", s.format)
			} else if ctx.Err() == nil && reportErr == nil {
				now()
			}
		}
	}
}

// trace runs the trace. done gets how it ended. wait is for after that, or for when ctx is done.
func (s *session) trace(ctx context.Context) (done <-chan error, wait func()) {
	ended := make(chan error, 1)
	go func() { ended <- s.tracer.Run(ctx) }()
	var adopting sync.WaitGroup
	if len(s.groups) > 0 {
		adopting.Go(func() { s.adoptMembers(ctx) })
	}
	return ended, adopting.Wait
}

// waitForCommand passes on the command's status. A command that outlives the trace keeps
// running without probes.
func (s *session) waitForCommand(ctx context.Context) (exitCode, error) {
	// A terminal's Ctrl-C reaches the command as well, but a SIGTERM sent to memtrace does
	// not.
	stop := context.AfterFunc(ctx, func() { _ = s.command.Signal(unix.SIGTERM) })
	defer stop()
	if s.command.Running() {
		s.log.message("the trace is over; waiting for %s to end (Ctrl-C ends it)", s.options.command[0])
	}
	status, err := s.command.Wait()
	return exitCode(status), err
}
