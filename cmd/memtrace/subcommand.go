package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// subcommand is what memtrace does if its first argument is name.
type subcommand struct {
	name, synopsis string
	run            func(ctx context.Context, args []string, stdout, stderr io.Writer) (exitCode, error)
	// onlyReads reports whether it looks at nothing but files, or at nothing at all; nil: it does not.
	onlyReads func(args []string) bool
}

func subcommands() []subcommand {
	always := func([]string) bool { return true }
	return []subcommand{
		{"grow", "the stacks behind the growth of an address space, at next to no cost", runGrow, nil},
		{"heap", "what is in the heap now, what of it grows, what nobody points at, and who holds the rest", runHeap, nil},
		{"regions", "the address space of a process by class, and what of it grows", runRegions, nil},
		{"report", "a report of what --record has recorded, at any of its moments", runReport, always},
		{"diff", "what grew between two traces, or two moments of one", runDiff, always},
		{"serve", "trace, and show reports in a browser, to Prometheus and to go tool pprof", runServe, meansRecord},
		{"system", "the memory of the machine, and how much of it is available", runSystem, nil},
		{"help", "how to use memtrace, or one of its commands", runHelp, always},
		{"version", "the version", runVersion, always},
	}
}

// findSubcommand returns the subcommand that args start with, or nil.
func findSubcommand(args []string) *subcommand {
	if len(args) == 0 {
		return nil
	}
	all := subcommands()
	i := slices.IndexFunc(all, func(c subcommand) bool { return c.name == args[0] })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// runHelp runs memtrace help, which is memtrace --help, or that of a command.
func runHelp(ctx context.Context, args []string, stdout, stderr io.Writer) (exitCode, error) {
	if len(args) > 1 {
		return exitUsage, usagef("help takes one command: %s", strings.Join(args, " "))
	}
	if len(args) == 0 {
		_, fs, _ := parseFlags([]string{"--help"})
		return exitOK, printHelp(stdout, fs)
	}
	c := findSubcommand(args)
	if c == nil {
		if meant := nearest(args[0], commandNames()); meant != "" {
			return exitUsage, usagef("%q is not a command: did you mean memtrace help %s?", args[0], meant)
		}
		return exitUsage, usagef("%q is not a command: the commands are %s", args[0], strings.Join(commandNames(), ", "))
	}
	if c.name == "help" || c.name == "version" {
		return exitOK, printText(stdout, "memtrace ", c.name, ": ", c.synopsis, "\n")
	}
	return c.run(ctx, []string{"--help"}, stdout, stderr)
}

// runVersion runs memtrace version.
func runVersion(_ context.Context, args []string, stdout, _ io.Writer) (exitCode, error) {
	if len(args) > 0 {
		return exitUsage, usagef("version takes no arguments: %s", strings.Join(args, " "))
	}
	return exitOK, printText(stdout, "memtrace ", version(), "\n")
}

// start runs the subcommand and reports its errors the way memtrace reports its own.
func (c *subcommand) start(ctx context.Context, args []string, stdout, stderr io.Writer) exitCode {
	code, err := c.run(ctx, args, stdout, stderr)
	if err == nil {
		return code
	}
	sayError(stderr, err)
	if errors.As(err, new(usageError)) {
		fmt.Fprintf(stderr, "Try memtrace %s.\n", strings.TrimPrefix(c.name+" --help", "help "))
		return exitUsage
	}
	return exitError
}

// common are the flags of every subcommand but grow.
type common struct {
	format, output, color string
	help                  bool
	// forms are the formats beside text and json.
	forms []string
}

func newFlagSet(name string) *pflag.FlagSet {
	fs := pflag.NewFlagSet("memtrace "+name, pflag.ContinueOnError)
	fs.SortFlags = false
	fs.SetOutput(io.Discard) // start prints errors, once
	return fs
}

func (c *common) add(fs *pflag.FlagSet) {
	fs.StringVarP(&c.format, "format", "f", formatText, "report as `FORM`: "+strings.Join(c.formats(), "|"))
	fs.StringVarP(&c.output, "output", "o", "", "write the report to `FILE` instead of stdout")
	fs.StringVar(&c.color, "color", "auto", "color the report (`WHEN`: auto|always|never)")
	fs.BoolVarP(&c.help, "help", "h", false, "print this help")
}

func (c *common) formats() []string { return append([]string{formatText, formatJSON}, c.forms...) }

// parse parses args. It sets c.help if help is asked for.
func (c *common) parse(fs *pflag.FlagSet, args []string) error {
	err := parse(fs, args, &c.help)
	switch {
	case err != nil || c.help:
		return err
	case !slices.Contains(c.formats(), c.format):
		all, last := c.formats(), len(c.formats())-1
		return usagef("--format %s: give %s or %s", c.format, strings.Join(all[:last], ", "), all[last])
	case !slices.Contains([]string{"auto", "always", "never"}, c.color):
		return usagef("--color %s: give auto, always or never", c.color)
	}
	return nil
}

// open opens the output.
func (c *common) open(stdout io.Writer) (*output, error) {
	return openOutput(&options{format: c.format, output: c.output, color: c.color}, stdout)
}
