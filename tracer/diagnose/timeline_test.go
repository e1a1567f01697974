package diagnose

import (
	"slices"
	"testing"
	"time"

	"memtrace/tracer/book"
	"memtrace/tracer/event"
	"memtrace/tracer/region"
	"memtrace/tracer/report"
	"memtrace/tracer/trend"
)

func TestTimeline(t *testing.T) {
	const second = uint64(time.Second)
	start := time.Date(2026, 3, 1, 3, 12, 5, 0, time.UTC)
	histories := map[event.StackID][]trend.Sample{
		1: {{At: 101 * second, Value: 10}, {At: 102 * second, Value: 20}, {At: 104 * second, Value: 60}},
		2: {{At: 103 * second, Value: 100}, {At: 104 * second, Value: 300}},
	}
	d := &diagnosis{Facts: &Facts{
		Start: start, StartMono: 100 * second, Known: &book.Copy{Now: 104 * second},
		Space: &region.Snapshot{Moments: []region.Moment{
			{At: start.Add(-time.Millisecond), Resident: 5, Brk: 1},
			{At: start.Add(2 * time.Second), Resident: 9, Brk: 2, Arena: 3, Mapped: 4},
		}},
		History: func(id event.StackID, mapped bool, until uint64) []trend.Sample {
			if mapped || until != 104*second {
				return nil
			}
			return histories[id]
		},
	}}
	like := []report.Like{{ID: stackName(2)}, {ID: stackName(1)}}
	stacks := []report.Stack{
		{ID: stackName(2), Kind: report.Heap, MergedStacks: 2, Like: like},
		{ID: stackName(1), Kind: report.Heap},
		{ID: stackName(1), Kind: report.Mmap},
		{ID: stackName(2), Kind: report.Heap, MergedStacks: 3, Like: like},
		{ID: stackName(2), Kind: report.Heap, ReservedBytes: 1},
	}
	got := d.timeline(stacks)
	if !slices.Equal(got.Seconds, []float64{0, 2}) || !slices.Equal(got.ResidentBytes, []uint64{5, 9}) || !slices.Equal(got.BrkBytes, []uint64{1, 2}) ||
		!slices.Equal(got.ArenaBytes, []uint64{0, 3}) || !slices.Equal(got.MmapBytes, []uint64{0, 4}) {
		t.Errorf("the process: %+v", got)
	}
	if len(got.Stacks) != 2 {
		t.Fatalf("%d stacks, want the sum of two and one: %+v", len(got.Stacks), got.Stacks)
	}
	// The second of the like stacks was not there before 3 s.
	if sum := got.Stacks[0]; !slices.Equal(sum.Seconds, []float64{1, 2, 4}) || !slices.Equal(sum.Bytes, []uint64{10, 20, 360}) {
		t.Errorf("the sum: %+v", sum)
	}
	if one := got.Stacks[1]; !slices.Equal(one.Bytes, []uint64{10, 20, 60}) {
		t.Errorf("the one: %+v", one)
	}
	if between := at(histories[1], 103*second); between != 40 {
		t.Errorf("%d between two samples, want 40", between)
	}
	if d.Space = nil; d.timeline(stacks) != nil {
		t.Error("a timeline without a look")
	}
}
