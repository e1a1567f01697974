package diagnose

import (
	"math"
	"slices"

	"memtrace/tracer/report"
	"memtrace/tracer/trend"
)

// mergedStacks returns how many stacks each is the sum of, by ID.
func mergedStacks(stacks []report.Stack) map[string]int {
	merged := make(map[string]int, len(stacks))
	for i := range stacks {
		merged[stacks[i].ID] = stacks[i].MergedStacks
	}
	return merged
}

// joinTimelines adds up the lines of stacks that have become one. merged is what they were before. What is
// not known of all parts has no line.
func joinTimelines(t *report.Timeline, stacks []report.Stack, merged map[string]int) {
	lines := make(map[string]report.StackTimeline, len(t.Stacks))
	for _, line := range t.Stacks {
		lines[line.ID] = line
	}
	t.Stacks = nil
	for i := range stacks {
		s := &stacks[i]
		line, ok := lines[s.ID]
		if s.MergedStacks > merged[s.ID] {
			line, ok = joinedLine(s, merged, lines)
		}
		if ok {
			t.Stacks = append(t.Stacks, line)
		}
	}
}

func joinedLine(s *report.Stack, merged map[string]int, lines map[string]report.StackTimeline) (sum report.StackTimeline, ok bool) {
	if s.MergedStacks > len(s.Like) {
		return sum, false
	}
	var all [][]trend.Sample
	for i := range s.Like {
		id := s.Like[i].ID
		if _, part := merged[id]; !part {
			continue // it is in the line of another one
		}
		line := lines[id]
		samples := make([]trend.Sample, min(len(line.Seconds), len(line.Bytes)))
		for k := range samples {
			samples[k] = trend.Sample{At: uint64(math.Round(max(line.Seconds[k], 0) * 1e9)), Value: line.Bytes[k]}
		}
		all = append(all, samples)
	}
	if len(all) == 0 || slices.ContainsFunc(all, func(samples []trend.Sample) bool { return len(samples) == 0 }) {
		return sum, false
	}
	return timelineOf(s.ID, sumOf(all), 0), true
}
