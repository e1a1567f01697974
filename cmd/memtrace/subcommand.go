package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/pflag"
)

// subcommand is what memtrace does if its first argument is name.
type subcommand struct {
	name, synopsis string
	run            func(ctx context.Context, args []string, stdout, stderr io.Writer) (exitCode, error)
}

var subcommands = []subcommand{
	{"grow", "the stacks behind the growth of an address space, at next to no cost", runGrow},
	{"regions", "the address space of a process by class, and what of it grows", runRegions},
	{"system", "the memory of the machine, and how much of it can be had", runSystem},
}

// findSubcommand returns the subcommand that args start with, or nil.
func findSubcommand(args []string) *subcommand {
	if len(args) == 0 {
		return nil
	}
	i := slices.IndexFunc(subcommands, func(c subcommand) bool { return c.name == args[0] })
	if i < 0 {
		return nil
	}
	return &subcommands[i]
}

// start runs the subcommand and reports its errors the way memtrace reports its own.
func (c *subcommand) start(ctx context.Context, args []string, stdout, stderr io.Writer) exitCode {
	code, err := c.run(ctx, args, stdout, stderr)
	if err == nil {
		return code
	}
	sayError(stderr, err)
	if errors.As(err, new(usageError)) {
		fmt.Fprintf(stderr, "Try memtrace %s --help.\n", c.name)
		return exitUsage
	}
	return exitError
}

// common are the flags of every subcommand but grow.
type common struct {
	format, output, color string
	help                  bool
}

func newFlagSet(name string) *pflag.FlagSet {
	fs := pflag.NewFlagSet("memtrace "+name, pflag.ContinueOnError)
	fs.SortFlags = false
	fs.SetOutput(io.Discard) // start prints errors, once
	return fs
}

func (c *common) add(fs *pflag.FlagSet) {
	fs.StringVarP(&c.format, "format", "f", formatText, "text|json")
	fs.StringVarP(&c.output, "output", "o", "", "write the report to `FILE` instead of stdout")
	fs.StringVar(&c.color, "color", "auto", "auto|always|never")
	fs.BoolVarP(&c.help, "help", "h", false, "print this")
}

// parse parses args. It sets c.help if help is asked for.
func (c *common) parse(fs *pflag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			c.help = true
			return nil
		}
		return usageError{err}
	}
	switch {
	case c.help:
	case c.format != formatText && c.format != formatJSON:
		return usagef("--format %s: give text or json", c.format)
	case !slices.Contains([]string{"auto", "always", "never"}, c.color):
		return usagef("--color %s: give auto, always or never", c.color)
	}
	return nil
}

// open opens the output.
func (c *common) open(stdout io.Writer) (*output, error) {
	return openOutput(&options{format: c.format, output: c.output, color: c.color}, stdout)
}
