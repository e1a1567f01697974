package kin

import (
	"slices"
	"time"

	"memtrace/tracer/trend"
)

// Child is a descendant of the process.
type Child struct {
	PID, Parent int
	Command     string
	// Resident is its private resident bytes when it was last looked at (see procFiles.private).
	// Growth is the change since it was first looked at, BytesPerSecond the slope of that, 0
	// where there is no growth.
	Resident       uint64
	Growth         int64
	BytesPerSecond float64
	// Fit tells more of the growth. It is zero where there is none.
	Fit trend.Fit
	// Growing: it grew beyond doubt for as long as it was watched. Every program does so while
	// it starts: a child that was watched for a few seconds proves nothing alone.
	Growing bool
	// Watched is how long it was looked at, since it last executed a program.
	Watched time.Duration
	// Forked: it has not executed a program since the process did, so that it runs the same
	// code.
	Forked  bool
	Threads int
	// Before is how many others grew beyond doubt until they ended, of the same Command and
	// Forked: where each of a server's workers lives for seconds, those of now may be too young
	// to show what they do.
	Before int
	// Exited: it has ended. The figures are those of the last look before that.
	Exited bool
}

// child is a Child that is watched.
type child struct {
	stat
	pid         int
	since, last time.Time
	first, now  uint64
	line        trend.Line
}

// same reports whether s is the same process as before.
func (c *child) same(s *stat) bool { return c.start == s.start }

// executed reports whether the process, which now is s, has executed a program. Where the
// kernel does not show the stack of others' processes, the command decides.
func (c *child) executed(s *stat) bool {
	if c.stack != 0 && s.stack != 0 {
		return c.stack != s.stack
	}
	return c.command != s.command
}

// look adds what was found to the history.
func (c *child) look(s *stat, private uint64, now time.Time) {
	if c.since.IsZero() || c.executed(s) {
		c.since, c.first, c.line = now, private, trend.Line{}
	}
	c.stat, c.now, c.last = *s, private, now
	c.line.Add(now.Sub(c.since), float64(private))
}

func (c *child) growth() int64 { return int64(c.now - c.first) }

// known returns what is known of the child. stack is that of the traced process.
func (c *child) known(stack uint64) Child {
	k := Child{
		PID: c.pid, Parent: c.parent, Command: c.command, Resident: c.now, Growth: c.growth(),
		Watched: c.last.Sub(c.since), Forked: c.stack != 0 && c.stack == stack, Threads: c.threads,
	}
	if k.Growth > 0 { // a Fit takes long
		k.Fit = c.line.Fit()
		k.BytesPerSecond, k.Growing = k.Fit.Slope, k.Fit.Growing()
	}
	return k
}

// maxEnded is how many children that have ended are kept.
const maxEnded = 64

// ended are the children that have ended.
type ended struct {
	n, grew uint64
	growth  uint64
	// kept are those that grew most.
	kept []Child
}

func (e *ended) add(c *child, stack uint64) {
	e.n++
	growth := c.growth()
	if growth <= 0 {
		return
	}
	e.grew++
	e.growth += uint64(growth)
	if len(e.kept) == maxEnded {
		least := 0
		for i := range e.kept {
			if e.kept[i].Growth < e.kept[least].Growth {
				least = i
			}
		}
		if growth <= e.kept[least].Growth {
			return
		}
		e.kept = slices.Delete(e.kept, least, least+1)
	}
	k := c.known(stack)
	k.Exited = true
	e.kept = append(e.kept, k)
}

// kind is what children have in common that do the same work.
type kind struct {
	command string
	forked  bool
}

// growing returns how many of those kept grew beyond doubt.
func (e *ended) growing() map[kind]int {
	n := make(map[kind]int)
	for i := range e.kept {
		if c := &e.kept[i]; c.Growing {
			n[kind{c.Command, c.Forked}]++
		}
	}
	return n
}
