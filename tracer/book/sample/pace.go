package sample

import (
	"math"

	"memtrace/tracer/event"
)

// Effort is how much a process has done by some moment: its processor time, ns, and how often
// its threads gave up their processors to wait for something.
type Effort struct{ CPU, Sleeps uint64 }

// Done is how much a process did in some time, ns. Allocs and Frees are the calls that were seen.
type Done struct {
	Time, CPU, Sleeps uint64
	Allocs, Frees     uint64
}

func (d *Done) add(o Done) {
	d.Time += o.Time
	d.CPU += o.CPU
	d.Sleeps += o.Sleeps
	d.Allocs += o.Allocs
	d.Frees += o.Frees
}

// Pace is how much a process did in windows that count, and outside of windows and their tails.
// It is about those times alone of which that is known.
type Pace struct{ Window, Outside Done }

// Moment is one at which it is asked how much a process has done.
type Moment uint8

// The moments of a window.
const (
	Begun Moment = iota // from here on all calls are seen
	Cut                 // from here on only frees are
	Ended               // from here on none is
)

// pace adds up a Pace.
type pace struct {
	sum Pace
	// last is what was done at the moment lastMoment, at lastTime. known says whether it is
	// known.
	last       Effort
	lastTime   uint64
	lastMoment Moment
	known      bool
	// window is what was done in the last window. It was cut at the time cut, math.MaxUint64
	// until then.
	window Done
	cut    uint64
}

// Reached says that a process has reached a moment of a window at time now (ns), and what it has
// done by then, if that is known. Ended comes after all calls of the window were applied.
func (s *Set) Reached(m Moment, now uint64, effort Effort, known bool) {
	p := &s.pace
	if p.known && known && now >= p.lastTime && len(s.windows) > 0 {
		done := Done{Time: now - p.lastTime, CPU: effort.CPU - min(p.last.CPU, effort.CPU), Sleeps: effort.Sleeps - min(p.last.Sleeps, effort.Sleeps)}
		switch {
		case m == Begun && p.lastMoment == Ended:
			p.sum.Outside.add(done)
		case m == Cut && p.lastMoment == Begun:
			p.window.add(done)
		case m == Ended && p.window.Time > 0 && s.windows[len(s.windows)-1].valid:
			p.sum.Window.add(p.window)
		}
	}
	switch m {
	case Begun:
		p.window, p.cut = Done{}, math.MaxUint64
	case Cut:
		p.cut = now
	}
	p.last, p.lastTime, p.lastMoment, p.known = effort, now, m, known
}

// count counts the calls of an open window.
func (p *pace) count(ev *event.Event) {
	switch {
	case ev.Kind == event.Alloc || ev.Kind == event.Realloc:
		p.window.Allocs++
	case ev.Kind == event.Free && ev.Time < p.cut:
		p.window.Frees++
	}
}
