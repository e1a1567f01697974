package changes

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"memtrace/tracer/report"
)

// Options says how two sides are made comparable.
type Options struct {
	// Per are the units that each side has worked through, 0 for none: amounts are then given for
	// one Unit.
	Per  [2]float64
	Unit string
	// Absolute compares amounts as they are, even if one side was traced for longer.
	Absolute bool
	// Top is how many stacks are kept, 0 for all.
	Top int
}

// second is what rates of leaks are for.
const second = "second"

// alike is the part by which the times that both were traced may differ.
const alike = 0.02

// Of returns what changed from one side to the other.
func Of(from, to *Side, opt Options) *report.Diff {
	d := &report.Diff{Schema: report.DiffSchema, From: from.DiffSide, To: to.DiffSide, Counts: make(map[report.DiffState]int)}
	if from.Path != "" && from.Path == to.Path {
		d.Seconds = to.At.Sub(from.At).Seconds()
	}
	normalise(d, from, to, opt)
	all := join(from, to, func(s *Side, one *stack) (report.Bounds, report.Bounds) {
		if d.Estimated {
			return one.leak, one.leakBlocks
		}
		units := d.From.Units
		if s == to {
			units = d.To.Units
		}
		if d.AsAfterSeconds > 0 && s.Seconds > d.AsAfterSeconds && one.leak.Value > 0 {
			units = s.Seconds / d.AsAfterSeconds
		}
		return bounds(one.bytes / units), bounds(one.blocks / units)
	})
	for _, j := range all {
		s, changed := diffStack(j)
		switch {
		case !changed && s.Bytes.To == 0 && s.Blocks.To == 0: // it holds nothing any more
		case !changed:
			d.Unchanged++
		case unlisted(j, from, to):
			s.State, s.Unlisted = report.DiffUncertain, true
			d.Unlisted++
		case s.State == report.DiffUncertain: // of which nobody knows whether it did
		case s.Bytes.Change > 0:
			d.Grew += s.Bytes.Change
		default:
			d.Shrank -= s.Bytes.Change
		}
		if changed {
			d.Stacks = append(d.Stacks, s)
			d.Counts[s.State]++
		}
		if !unlisted(j, from, to) {
			d.Bytes, d.Blocks = addChange(d.Bytes, s.Bytes), addChange(d.Blocks, s.Blocks)
		}
	}
	slices.SortStableFunc(d.Stacks, func(a, b report.DiffStack) int { return cmp.Compare(b.Bytes.Change, a.Bytes.Change) })
	d.Answer = answerOf(d)
	note(d, from, to)
	d.StacksTotal = len(d.Stacks)
	return d.WithTop(opt.Top)
}

// unlisted reports whether what a side has of a stack is not known, because its list was cut.
func unlisted(j *joined, from, to *Side) bool {
	return j.from.stacks == 0 && from.StacksTotal > 0 || j.to.stacks == 0 && to.StacksTotal > 0
}

// normalise decides what amounts are divided by. Of traces of different times what leaks on the side
// that was traced for longer is scaled down to the time of the other one. What does not leak was
// not more for that, and stays as it is.
func normalise(d *report.Diff, from, to *Side, opt Options) {
	d.From.Units, d.To.Units = 1, 1
	switch apart := math.Abs(from.Seconds - to.Seconds); {
	case from.estimated || to.estimated:
		d.Per, d.Estimated = second, true
	case opt.Per[0] > 0:
		d.Per, d.From.Units, d.To.Units = opt.Unit, opt.Per[0], opt.Per[1]
	case d.Seconds != 0:
		d.OverSeconds = d.Seconds
	case from.Seconds == 0, to.Seconds == 0:
	case apart <= alike*max(from.Seconds, to.Seconds):
		d.OverSeconds = max(from.Seconds, to.Seconds)
	case opt.Absolute:
	case from.Seconds > to.Seconds && from.rates, to.Seconds > from.Seconds && to.rates:
		d.AsAfterSeconds = min(from.Seconds, to.Seconds)
		d.OverSeconds = d.AsAfterSeconds
	}
}

// change is the change of an amount. Bounds of both sides add up.
func change(from, to report.Bounds) report.Change {
	c := report.Change{From: from.Value, To: to.Value, Change: to.Value - from.Value}
	c.Low, c.High = c.Change, c.Change
	if from.Low != from.High || to.Low != to.High {
		c.Low, c.High = to.Low-from.High, to.High-from.Low
	}
	return c
}

func addChange(a, b report.Change) report.Change {
	return report.Change{From: a.From + b.From, To: a.To + b.To, Change: a.Change + b.Change, Low: a.Low + b.Low, High: a.High + b.High}
}

// diffStack says what became of a stack; changed is false if nothing did.
func diffStack(j *joined) (s report.DiffStack, changed bool) {
	s = report.DiffStack{
		Bytes: change(j.from.bytes, j.to.bytes), Blocks: change(j.from.blocks, j.to.blocks),
		FromStacks: j.from.stacks, ToStacks: j.to.stacks,
		Truncated: j.stack.truncated, OwnFrame: j.stack.own, Frames: j.stack.frames,
	}
	c := &s.Bytes
	switch {
	case c.Change == 0 && s.Blocks.Change == 0 && c.Low == c.High:
		return s, false
	case c.Low != c.High && !c.Certain():
		s.State = report.DiffUncertain
	case j.from.stacks == 0 || c.From == 0 && c.To > 0:
		s.State = report.DiffAppeared
	case j.to.stacks == 0 || c.To == 0 && c.From > 0:
		s.State = report.DiffVanished
	case c.Change < 0 || c.Change == 0 && s.Blocks.Change < 0:
		s.State = report.DiffShrank
	default:
		s.State = report.DiffGrew
	}
	return s, true
}

// note says what bears on the difference.
func note(d *report.Diff, from, to *Side) {
	add := func(format string, args ...any) { d.Notes = append(d.Notes, fmt.Sprintf(format, args...)) }
	switch {
	case d.Estimated && from.estimated != to.estimated:
		add("One side was watched in windows of time, so rates of leaks are compared: estimated ones with those that were counted.")
	case d.AsAfterSeconds > 0:
		add("The sides were traced for %s and %s: what leaks on the longer one is scaled to %s, and all else is as it is (--per none scales nothing).", report.Seconds(from.Seconds), report.Seconds(to.Seconds), report.Seconds(d.AsAfterSeconds))
	case d.Per == "" && d.Seconds == 0 && from.Seconds > 0 && to.Seconds > 0 && math.Abs(from.Seconds-to.Seconds) > alike*max(from.Seconds, to.Seconds):
		add("The sides were traced for %s and %s. What is held is compared as it is: what leaks has had more time on the longer one.", report.Seconds(from.Seconds), report.Seconds(to.Seconds))
	}
	for _, s := range []*Side{from, to} {
		if s.StacksTotal > 0 {
			text := fmt.Sprintf("Of %s only %s of %s stacks are known. One that only the other side has is not certain, and is in no sum", s.name(), report.Count(uint64(s.Listed)), report.Count(uint64(s.StacksTotal)))
			if s.Kind != "record" {
				text += " (with -T 0 memtrace writes all)"
			}
			add("%s.", text)
		}
	}
	if from.Mode != "" && to.Mode != "" && from.Mode != to.Mode && !d.Estimated {
		add("The sides were traced in different modes, %s and %s: part of the change may come from that.", from.Mode, to.Mode)
	}
	if !from.Complete || !to.Complete {
		add("Not everything was recorded of a side: changes may be too high or too low.")
	}
	for _, h := range slices.Concat(from.hints, to.hints) {
		if !slices.Contains(d.Notes, h) {
			d.Notes = append(d.Notes, h)
		}
	}
}
