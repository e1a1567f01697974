package main

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"memtrace/tracer"
	"memtrace/tracer/diagnose"
	"memtrace/tracer/process/target"
	"memtrace/tracer/report"
)

// options are the command line, checked.
type options struct {
	targets
	command  []string
	duration time.Duration // 0: until Ctrl-C or exit
	interval time.Duration // 0: one report, at the end
	count    int           // reports, 0: no bound
	top      int
	topGiven bool
	sort     tracer.Order
	older    time.Duration
	minSize  uint64
	maxSize  uint64
	blocks   bool
	names    namedFlags
	// named is what names say, nil if that is nothing.
	named *target.Named
	// follow: children are traced, too.
	follow bool
	costLimits
	format     string
	output     string
	depth      int
	ringSize   uint64
	maxMemory  uint64
	debugDir   []string
	color      string
	gate       gate
	suppressed suppressions
	ready      string
	quiet      bool
	noLive     bool
	heap       heapFlag
	noFocus    bool
	verbose    bool
	full       bool
	show       []string
	width      int
	growth     bool // memtrace grow
	record     recordFlags
	// markEvery is how often a mark is made, 0 for never.
	markEvery time.Duration
	version   bool
	help      bool
}

// The formats of commands that print no stacks.
const (
	formatText = "text"
	formatJSON = "json"
)

// defaultTop is how many stacks a report has unless it is in a form for many.
const defaultTop = 10

// usageError is a command line that makes no sense. Its text says why.
type usageError struct{ error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// parseFlags reads the command line of a trace. more adds flags of a command that traces as well.
func parseFlags(args []string, more ...func(*pflag.FlagSet)) (*options, *pflag.FlagSet, error) {
	o := &options{older: 500 * time.Millisecond, ringSize: 32 << 20}
	fs := o.flagSet()
	for _, add := range more {
		add(fs)
	}
	if err := parse(fs, args, &o.help); err != nil || o.help || o.version {
		return o, fs, err
	}
	if err := o.checkHeap(fs, args); err != nil {
		return o, fs, err
	}
	o.topGiven = fs.Changed("top")
	o.fillForm(fs)
	positional := fs.Args()
	if dash := fs.ArgsLenAtDash(); dash >= 0 {
		positional, o.command = fs.Args()[:dash], fs.Args()[dash:]
		if len(o.command) == 0 {
			return o, fs, usagef("no command after --")
		}
	}
	if err := o.parsePositional(positional); err != nil {
		return o, fs, err
	}
	if !fs.Changed("follow") {
		o.follow = len(o.command) > 0 // it is what was asked for, whichever process does it
	}
	return o, fs, o.check(fs)
}

func (o *options) flagSet() *pflag.FlagSet {
	fs := pflag.NewFlagSet("memtrace", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.SetOutput(io.Discard) // run prints errors, once
	o.targets.add(fs, "trace")
	fs.VarP((*durationValue)(&o.duration), "duration", "d", "stop after `DUR` (otherwise at Ctrl-C, or when the target exits)")
	fs.VarP((*durationValue)(&o.interval), "interval", "i", "print a report every `DUR`")
	fs.IntVarP(&o.top, "top", "T", defaultTop, "show `N` stacks and growing segments (0 = all)")
	fs.StringVar((*string)(&o.sort), "sort", string(tracer.ByLeak), "sort the stacks by `KEY`: "+orderNames())
	fs.Var((*durationValue)(&o.older), "older", "show only blocks that are at least `DUR` old")
	fs.VarP((*sizeValue)(&o.minSize), "min-size", "z", "trace only blocks of at least `BYTES` (such as 4096, 64k, 2M)")
	fs.VarP((*sizeValue)(&o.maxSize), "max-size", "Z", "trace only blocks of at most `BYTES`")
	fs.BoolVarP(&o.blocks, "show-blocks", "a", false, "list the addresses and sizes of blocks under each stack")
	o.costLimits.add(fs)
	o.names.add(fs)
	fs.Var((*sizeValue)(&o.ringSize), "ring-size", "size of the ring buffer in `BYTES`, a power of two")
	fs.BoolVar(&o.follow, "follow", false, "trace children, too, from their start; it is the default for a COMMAND (--follow=false traces only the command itself)")
	fs.BoolVar(&o.noLive, "no-live", false, "show no live view on a terminal, only the report at the end")
	o.addHeap(fs)
	o.addReportFlags(fs)
	fs.BoolVarP(&o.verbose, "verbose", "v", false, "report more: stack ids, rarer counts, addresses")
	fs.BoolVar(&o.version, "version", false, "print the version")
	fs.BoolVarP(&o.help, "help", "h", false, "print this help")
	return fs
}

// addReportFlags adds the flags of every command that prints stacks.
func (o *options) addReportFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.format, "format", "f", formatText, "report as `FORM`: "+report.FormNames("|", "|"))
	fs.StringVarP(&o.output, "output", "o", "", "write the report to `FILE` instead of stdout")
	o.maxMemory = 512 << 20
	fs.Var((*sizeValue)(&o.maxMemory), "max-memory", "let memtrace use at most `BYTES`, plus 64 for each live block; if there are too many stacks, those that hold least are added up")
	fs.IntVar(&o.depth, "stack-depth", 127, "keep `N` frames of a stack, 1 to 127")
	fs.StringSliceVar(&o.debugDir, "debug-dir", []string{diagnose.DefaultDebugDir}, "search `DIR` for separate debug files (repeatable)")
	fs.BoolVar(&o.full, "full", false, "report everything: events, address space, threshold, system, notes")
	fs.StringSliceVar(&o.show, "show", nil, "report these `PARTS` beside the answer: "+strings.Join(partNames(), ", "))
	fs.IntVar(&o.width, "width", 0, "make the report `N` columns wide (otherwise as the terminal, and 100 elsewhere)")
	fs.StringVar(&o.color, "color", "auto", "color the report (`WHEN`: auto|always|never)")
	o.gate.add(fs)
	fs.Var(&o.suppressed, "suppressions", "hide stacks by a `FILE` in LeakSanitizer's format (repeatable); \"default\" hides what well-known libraries keep for good")
	o.record.add(fs)
	fs.Var((*markInterval)(&o.markEvery), "mark-every", "make a mark every `DUR`, as SIGUSR2 does: reports then show what was allocated since the last one and is still there")
	fs.StringVar(&o.ready, "ready-file", "", "created when every probe is live")
	_ = fs.MarkHidden("ready-file") // it was defined on the line above
	fs.BoolVarP(&o.quiet, "quiet", "q", false, "print only the report, no messages")
}

// flagUsages tells the flags. What pflag adds to those that take no value is left out.
func flagUsages(fs *pflag.FlagSet) string {
	const value = "[=true|false]"
	return strings.ReplaceAll(fs.FlagUsagesWrapped(80), value, strings.Repeat(" ", len(value)))
}

// parsePositional reads INTERVAL [COUNT], as bcc's memleak takes them.
func (o *options) parsePositional(args []string) error {
	if len(args) > 2 {
		if text := explainPositional(args[0], o.given()); text != "" {
			return usagef("%s", text)
		}
		return usagef("too many arguments: %s (put a command after --)", strings.Join(args, " "))
	}
	if len(args) > 0 {
		if o.meansProcess(args[0]) {
			return usagef("%s", explainPositional(args[0], o.given()))
		}
		if o.interval != 0 {
			return usagef("the interval is given twice, by --interval and as %q", args[0])
		}
		if err := (*durationValue)(&o.interval).Set(args[0]); err != nil || o.interval == 0 {
			if text := explainPositional(args[0], o.given()); text != "" {
				return usagef("%s", text)
			}
			return usagef("%q is not an interval: give seconds, or 500ms, 2m (put a command after --)", args[0])
		}
	}
	if len(args) > 1 {
		n, err := strconv.Atoi(args[1])
		if err != nil || n < 1 {
			return usagef("%q is not a number of reports", args[1])
		}
		if o.duration != 0 {
			return usagef("--duration and a number of reports exclude each other: give one")
		}
		o.count = n
		o.duration = time.Duration(n) * o.interval
	}
	return nil
}

// meansProcess reports whether a number where an interval goes is rather that of a process.
func (o *options) meansProcess(word string) bool {
	const longInterval = 300 // seconds, without saying so
	n, err := strconv.Atoi(word)
	none := !o.given() && len(o.command) == 0
	return err == nil && (none || n > longInterval) && isProcess(word)
}

// check rejects values out of range and flags that contradict each other.
func (o *options) check(fs *pflag.FlagSet) error {
	switch {
	case !o.given() && len(o.command) == 0:
		return usagef("nothing to trace: give -p PID|NAME, or -- COMMAND ARGS")
	case o.given() && len(o.command) > 0:
		return usagef("%s and a command exclude each other: give one", o.source())
	case !slices.Contains(diagnose.Orders, o.sort):
		return usagef("--sort %s: give %s", o.sort, orderNames())
	case o.maxSize != 0 && o.minSize > o.maxSize:
		return usagef("--min-size %d is above --max-size %d: no block has such a size", o.minSize, o.maxSize)
	case bits.OnesCount64(o.ringSize) != 1 || o.ringSize < 4096 || o.ringSize > 1<<30:
		return usagef("--ring-size %d: give a power of two from 4k to 1G", o.ringSize)
	}
	err := o.costLimits.check(fs)
	if err != nil {
		return err
	}
	if o.named, err = o.names.named(); err != nil {
		return err
	}
	return o.checkCommon()
}

// checkForm checks the flags that say how a report looks.
func (o *options) checkForm() error {
	if _, err := o.parts(); err != nil {
		return err
	}
	_, known := report.FindForm(o.format)
	switch {
	case !known:
		return usagef("--format %s: give %s", o.format, report.FormNames(", ", " or "))
	case o.width != 0 && (o.width < 40 || o.width > 1000):
		return usagef("--width %d: give 40 to 1000", o.width)
	case !slices.Contains([]string{"auto", "always", "never"}, o.color):
		return usagef("--color %s: give auto, always or never", o.color)
	case o.top < 0:
		return usagef("--top %d: give 0 for all stacks, or how many", o.top)
	}
	return nil
}

// checkCommon checks the flags shared by the trace and memtrace grow, and finds the processes.
func (o *options) checkCommon() error {
	if err := o.checkForm(); err != nil {
		return err
	}
	form, _ := report.FindForm(o.format)
	switch {
	case o.maxMemory < leastMemory || o.maxMemory > 1<<50:
		return usagef("--max-memory %d: give 256M or more", o.maxMemory)
	case o.depth < 1 || o.depth > 127:
		return usagef("--stack-depth %d: give 1 to 127", o.depth)
	case o.quiet && o.verbose:
		return usagef("--quiet and --verbose exclude each other: give one")
	case o.interval != 0 && form.Single:
		return usagef("--format %s holds only one report: leave out the interval", o.format)
	case o.record.symbols == symbolsLater && len(o.suppressed.files) > 0:
		return usagef("--suppressions need names: leave them or --symbols later out")
	}
	if err := o.suppressed.read(); err != nil {
		return err
	}
	if err := o.record.check(); err != nil {
		return err
	}
	return o.find()
}

// durationValue is a duration on the command line: 90s, 2m, or bare seconds.
type durationValue time.Duration

func (d *durationValue) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

func (d *durationValue) Type() string { return "DUR" }

func (d *durationValue) Set(s string) error {
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		s += "s"
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return errors.New("give seconds, or a duration such as 500ms or 2m")
	}
	if v < 0 {
		return errors.New("a duration cannot be negative")
	}
	*d = durationValue(v)
	return nil
}

// sizeValue is a number of bytes on the command line; k, M, G and T are powers
// of 1024.
type sizeValue uint64

func (v *sizeValue) String() string {
	n := uint64(*v)
	if n == 0 {
		return ""
	}
	units := []string{"", "k", "M", "G", "T"}
	i := 0
	for i < len(units)-1 && n%1024 == 0 {
		n /= 1024
		i++
	}
	return strconv.FormatUint(n, 10) + units[i]
}

func (v *sizeValue) Type() string { return "BYTES" }

func (v *sizeValue) Set(s string) error {
	number := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(s), "B"), "I")
	shift := 0
	if number != "" {
		if i := strings.IndexByte("KMGT", number[len(number)-1]); i >= 0 {
			shift = 10 * (i + 1)
			number = number[:len(number)-1]
		}
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || n > ^uint64(0)>>shift {
		return errors.New("give a number of bytes such as 4096, 64k or 2M")
	}
	*v = sizeValue(n << shift)
	return nil
}
