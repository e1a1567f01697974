package answer

import (
	"testing"

	"memtrace/tracer/report"
)

// A slope says only as much as the time that it rests on.
func TestJudgeByTime(t *testing.T) {
	stack := func(id string, followed, oldest float64, change func(*report.Stack)) report.Stack {
		s := heap(id, 1000, 100, 5000, calls("f_"+id))
		s.FollowedSeconds, s.OldestSeconds = followed, oldest
		change(&s)
		return s
	}
	young := func(s *report.Stack) {
		s.Bytes, s.Blocks, s.YoungBytes, s.Served = 0, 0, 100000, nil
	}
	same := func(*report.Stack) {}
	e := with(watched(),
		stack("leak", 19, 19, same),
		stack("buffer", 19, 0, young),
		stack("late", 4, 4, same),
		stack("turnover", 19, 2, func(s *report.Stack) { s.GrowthBytesPerSecond = 500 }),
		stack("moment", 0.3, 0.3, same),
		stack("once", 19, 19, func(s *report.Stack) { s.AllocatedBlocks = 2 }),
		stack("newborn", 0.3, 0, young),
	)
	e.Judge()
	want := map[string]report.StackClass{
		"leak": report.ClassLeak, "buffer": report.ClassLeak, "late": report.ClassPossible,
		"turnover": report.ClassPossible, "moment": report.ClassFilled, "once": report.ClassFilled,
	}
	got := make(map[string]report.StackClass)
	for _, s := range e.Report.Stacks {
		got[s.ID] = s.Class
		if s.Class != want[s.ID] {
			t.Errorf("%s is called %q, want %q", s.ID, s.Class, want[s.ID])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d stacks are listed, want %d: %v", len(got), len(want), got)
	}
}

// A heap that grows by what nobody looked at is not said to stand still, nor to be explained.
func TestUnknownRest(t *testing.T) {
	r := watched()
	r.MallocSplit, r.Target.Allocator = nil, "jemalloc"
	grow(r, "mmap", 8<<20)
	e := with(r, heap("1", 3, 40, 0, calls("init")))
	got := answered(e).Diagnosis.Answer
	if want := "served (pid 4242) grows 409.6 KiB/s in the heap and anonymous mappings, of which it is unknown how much is free"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
