package diagnose

import (
	"memtrace/tracer/report"
	"memtrace/tracer/trend"
)

// charted is how many stacks a timeline has.
const charted = 20

// timeline returns how memory developed, nil where nobody looked at the process from outside.
func (d *diagnosis) timeline(stacks []report.Stack) *report.Timeline {
	if d.Space == nil || len(d.Space.Moments) == 0 {
		return nil
	}
	t := new(report.Timeline)
	for _, m := range d.Space.Moments {
		t.Seconds = append(t.Seconds, max(m.At.Sub(d.Start).Seconds(), 0))
		t.ResidentBytes = append(t.ResidentBytes, m.Resident)
		t.BrkBytes = append(t.BrkBytes, m.Brk)
		t.ArenaBytes = append(t.ArenaBytes, m.Arena)
		t.MmapBytes = append(t.MmapBytes, m.Mapped)
	}
	if d.History == nil || d.Known.Sample != nil { // of windows nobody knows what was outstanding
		return t
	}
	for i := range stacks {
		if len(t.Stacks) == charted {
			break
		}
		if samples := d.held(&stacks[i]); len(samples) > 0 {
			t.Stacks = append(t.Stacks, timelineOf(stacks[i].ID, samples, d.StartMono))
		}
	}
	return t
}

func timelineOf(id string, samples []trend.Sample, start uint64) report.StackTimeline {
	t := report.StackTimeline{ID: id}
	for _, s := range samples {
		t.Seconds = append(t.Seconds, float64(s.At-min(start, s.At))/1e9)
		t.Bytes = append(t.Bytes, s.Value)
	}
	return t
}

// held returns what a stack held over time, nil where that is not known: of some of very many that
// it is the sum of, or of mappings that are only partly memory.
func (d *diagnosis) held(s *report.Stack) []trend.Sample {
	if s.GivenUpStacks > 0 || s.ReservedBytes > 0 || s.MergedStacks > len(s.Like) {
		return nil
	}
	history := func(id string) []trend.Sample {
		return d.History(stackOf(id), s.Kind != report.Heap, d.Known.Now)
	}
	if len(s.Like) == 0 {
		return history(s.ID)
	}
	var all [][]trend.Sample
	for i := range s.Like {
		all = append(all, history(s.Like[i].ID))
	}
	return sumOf(all)
}

// sumOf adds up what stacks held over time, nil where that is not known of all.
func sumOf(all [][]trend.Sample) []trend.Sample {
	longest := 0
	for i, samples := range all {
		if len(samples) == 0 {
			return nil
		}
		if samples[0].At < all[longest][0].At {
			longest = i
		}
	}
	sum := append([]trend.Sample(nil), all[longest]...)
	for i, samples := range all {
		for k := range sum {
			if i != longest {
				sum[k].Value += at(samples, sum[k].At)
			}
		}
	}
	return sum
}

// at returns the value at a time, between two samples as if it had changed evenly. Before the first
// one nothing was held.
func at(samples []trend.Sample, time uint64) uint64 {
	for i, s := range samples {
		switch {
		case s.At < time:
			continue
		case s.At == time:
			return s.Value
		case i == 0:
			return 0
		}
		before := samples[i-1]
		part := float64(time-before.At) / float64(s.At-before.At)
		return uint64(float64(before.Value) + part*(float64(s.Value)-float64(before.Value)))
	}
	return samples[len(samples)-1].Value
}
