package report

import (
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/google/pprof/profile"
)

// whole is what amounts are multiplied by where a form has only whole numbers, and what they are
// then.
func (d *Diff) whole() (times float64, unit string) {
	switch {
	case d.Estimated:
		return 60, "bytes/minute"
	case d.Per != "":
		return 1000, "bytes/1000 " + escape(d.Per)
	}
	return 1, "bytes"
}

// diffFolded writes a line for each stack, "root;...;leaf FROM TO", as difffolded.pl of FlameGraph
// does and its flamegraph.pl reads it.
func diffFolded(w io.Writer, d *Diff) error {
	type both struct{ from, to float64 }
	var lines []string
	sums := make(map[string]*both)
	times, _ := d.whole()
	for i := range d.Stacks {
		s := &d.Stacks[i]
		line := foldedStack(s.stack())
		if d.Estimated {
			line = estimatedFrame + ";" + line
		}
		if sums[line] == nil {
			sums[line] = new(both)
			lines = append(lines, line)
		}
		sums[line].from += s.Bytes.From * times
		sums[line].to += s.Bytes.To * times
	}
	slices.Sort(lines)
	for _, line := range lines {
		if _, err := fmt.Fprintf(w, "%s %d %d\n", line, toInt64(math.Round(sums[line].from)), toInt64(math.Round(sums[line].to))); err != nil {
			return fmt.Errorf("write folded stacks: %w", err)
		}
	}
	return nil
}

// diffSpeedscope writes a file of speedscope. Weights there cannot be below 0, so what grew and what
// shrank are two profiles, and both sides two more. What is not certain is in the last two alone.
func diffSpeedscope(w io.Writer, d *Diff) error {
	f := newSpeedscopeFile(escape(d.Answer))
	times, amount := 1.0, "bytes"
	switch {
	case d.Estimated:
		times, amount = 60, "bytes leaked a minute, estimated,"
	case d.Per != "":
		amount += " per " + escape(d.Per)
	}
	known := make(map[speedscopeFrame]int)
	grew, shrank := newSpeedscopeProfile(amount+" more", "bytes"), newSpeedscopeProfile(amount+" less", "bytes")
	before, after := newSpeedscopeProfile(amount+" before", "bytes"), newSpeedscopeProfile(amount+" after", "bytes")
	for i := range d.Stacks {
		s := &d.Stacks[i]
		sample := f.sample(s.stack(), known)
		before.add(sample, s.Bytes.From*times)
		after.add(sample, s.Bytes.To*times)
		if s.State != DiffUncertain {
			grew.add(sample, s.Bytes.Change*times)
			shrank.add(sample, -s.Bytes.Change*times)
		}
	}
	f.addSome(grew, shrank, before, after)
	return f.write(w)
}

// stack is what the forms of reports show of a stack.
func (s *DiffStack) stack() *Stack {
	return &Stack{Frames: s.Frames, OwnFrame: s.OwnFrame, Truncated: s.Truncated}
}

// diffPprof writes a profile of the changes: what shrank is below 0.
func diffPprof(w io.Writer, d *Diff) error {
	b := newProfileBuilder(&Report{}, values{})
	times, unit := d.whole()
	space := "inuse_space"
	if d.Estimated {
		space = "estimated_leak"
	}
	b.prof.SampleType = []*profile.ValueType{{Type: "inuse_objects", Unit: "count" + unit[len("bytes"):]}, {Type: space, Unit: unit}}
	b.prof.DefaultSampleType = space
	b.prof.Comments = append([]string{"memtrace diff: " + escape(d.Answer)}, boundedAll(d.Notes)...)
	b.prof.DurationNanos = toInt64(d.Seconds * 1e9)
	if !d.To.Time.IsZero() {
		b.prof.TimeNanos = d.To.Time.UnixNano()
	}
	for i := range d.Stacks {
		s := &d.Stacks[i]
		one := s.stack()
		one.Frames = slices.Clone(one.Frames)
		for k := range one.Frames {
			f := &one.Frames[k]
			f.Function, f.Address = frameName(f), 0 // addresses of one side mean nothing on the other
		}
		b.sample(one)
		b.prof.Sample[i].Value = []int64{toSigned(s.Blocks.Change * times), toSigned(s.Bytes.Change * times)}
		b.prof.Sample[i].Label = map[string][]string{"change": {string(s.State)}}
	}
	return writeProfile(w, b.prof)
}

// toSigned rounds to an int64.
func toSigned(f float64) int64 {
	if f < 0 {
		return -toInt64(math.Round(-f))
	}
	return toInt64(math.Round(f))
}
