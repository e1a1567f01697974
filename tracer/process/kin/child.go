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
	// it starts, see Grows.
	Growing bool
	// Watched is how long it was looked at, since it last executed a program.
	Watched time.Duration
	// Forked: it has not executed a program since the process did, so that it runs the same
	// code.
	Forked  bool
	Threads int
	// Past is what those did that have ended, of the same Command and Forked.
	Past Past
	// Exited: it has ended. The figures are those of the last look before that.
	Exited bool
}

// Past is what children did until they ended that were watched for long enough to tell.
type Past struct {
	// Judged is how many there were, Grew how many of them grew beyond doubt, by
	// BytesPerSecond on average.
	Judged, Grew   int
	BytesPerSecond float64
}

const (
	// startUp is how long a child must grow so that it is not merely starting.
	startUp = 5 * time.Second
	// minPast is how many must have grown until they ended, and grewShare which part of all
	// that were judged, to show what those do that are too young to be judged.
	minPast   = 3
	grewShare = 0.8
)

// Grows reports whether the child keeps growing, for longer than a program does while it
// starts. Where each of a server's workers lives for seconds, those before it show that. But a
// program that was executed only for a task, such as a compiler, grows until it ends.
func (c *Child) Grows() bool {
	if c.Watched >= startUp {
		return c.Growing
	}
	return c.Forked && c.Past.Grew >= minPast && float64(c.Past.Grew) >= grewShare*float64(c.Past.Judged)
}

// Rate is by how many bytes per second a child that Grows does so.
func (c *Child) Rate() float64 {
	if c.Growing {
		return c.BytesPerSecond
	}
	return c.Past.BytesPerSecond
}

// child is a Child that is watched.
type child struct {
	stat
	pid         int
	since, last time.Time
	first, now  uint64
	looks       int
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
		c.since, c.first, c.looks, c.line = now, private, 0, trend.Line{}
	}
	c.looks++
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

const (
	// maxEnded is how many children that have ended are kept.
	maxEnded = 64
	// maxKinds is of how many kinds of children the past is kept.
	maxKinds = 256
)

// kind is what children have in common that do the same work.
type kind struct {
	command string
	forked  bool
}

// ended are the children that have ended.
type ended struct {
	n, grew uint64
	growth  uint64
	// kept are those that grew most.
	kept []Child
	past map[kind]Past
}

func (e *ended) add(c *child, stack uint64) {
	e.n++
	k := c.known(stack)
	e.judge(&k, c.looks)
	if k.Growth <= 0 {
		return
	}
	e.grew++
	e.growth += uint64(k.Growth)
	if len(e.kept) == maxEnded {
		least := 0
		for i := range e.kept {
			if e.kept[i].Growth < e.kept[least].Growth {
				least = i
			}
		}
		if k.Growth <= e.kept[least].Growth {
			return
		}
		e.kept = slices.Delete(e.kept, least, least+1)
	}
	k.Exited = true
	e.kept = append(e.kept, k)
}

// judge adds a child to the past of its kind, unless it was looked at too few times.
func (e *ended) judge(c *Child, looks int) {
	of := kind{c.Command, c.Forked}
	p, ok := e.past[of]
	if looks < trend.MinFit || !ok && len(e.past) == maxKinds {
		return
	}
	p.Judged++
	if c.Growing {
		p.Grew++
		p.BytesPerSecond += (c.BytesPerSecond - p.BytesPerSecond) / float64(p.Grew)
	}
	e.past[of] = p
}
