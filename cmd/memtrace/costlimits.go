package main

import (
	"time"

	"github.com/spf13/pflag"
)

// costLimits are what a trace may cost the target.
type costLimits struct {
	exact bool
	// maxOverhead and maxSlowed are in percent.
	maxOverhead, maxSlowed float64
	maxStall               time.Duration
}

func (b *costLimits) add(fs *pflag.FlagSet) {
	b.maxStall = 50 * time.Millisecond
	fs.Float64Var(&b.maxOverhead, "max-overhead", 3, "let tracing cost at most `PERCENT` of the target's time; if every call would cost more, memtrace watches windows of time and estimates the rest")
	fs.Var((*durationValue)(&b.maxStall), "max-stall", "let one window delay a thread by at most `DUR`")
	fs.Float64Var(&b.maxSlowed, "max-slowed", 100, "let windows slow at most `PERCENT` of the target's work; the less, the longer leaks take to find")
	fs.BoolVar(&b.exact, "exact", false, "trace every call, whatever it costs")
}

func (b *costLimits) check(fs *pflag.FlagSet) error {
	switch {
	case !(b.maxOverhead >= 0.1 && b.maxOverhead <= 100):
		return usagef("--max-overhead %g: give 0.1 to 100 percent", b.maxOverhead)
	case b.maxStall < 10*time.Millisecond || b.maxStall > 10*time.Second:
		return usagef("--max-stall %v: give 10ms to 10s", b.maxStall)
	case !(b.maxSlowed >= 0.1 && b.maxSlowed <= 100):
		return usagef("--max-slowed %g: give 0.1 to 100 percent", b.maxSlowed)
	case b.exact && (fs.Changed("max-overhead") || fs.Changed("max-stall") || fs.Changed("max-slowed")):
		return usagef("--exact traces every call whatever it costs: leave out --max-overhead, --max-stall and --max-slowed")
	}
	return nil
}
