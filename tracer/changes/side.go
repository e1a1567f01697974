package changes

import (
	"fmt"
	"slices"
	"time"

	"memtrace/tracer/report"
)

// Side is one of the two things that are compared.
type Side struct {
	report.DiffSide
	// At is the moment of a record, Path its file, "" of all else.
	At   time.Time
	Path string
	// estimated: what stacks leak was estimated, and what they hold is not known.
	estimated bool
	// rates: it is known of each stack how fast it leaks.
	rates  bool
	stacks []stack
	// builds are the build IDs by path. A path of several has none.
	builds map[string]string
	// hints are those of the reports, each once.
	hints []string
}

// stack is what one side says of a call stack.
type stack struct {
	frames        []report.Frame
	own           int
	truncated     bool
	bytes, blocks float64
	// leak is how fast it leaks, in bytes a second, leakBlocks in blocks.
	leak, leakBlocks report.Bounds
}

// mostHints is how many hints of a side a difference has.
const mostHints = 5

// FromReports makes a side of the reports of one moment, one for each process. Their stacks are
// added up where they are alike.
func FromReports(kind, source string, reports []*report.Report) *Side {
	s := &Side{rates: true, builds: make(map[string]string)}
	s.Kind, s.Source, s.Units, s.Complete = kind, source, 1, true
	listed, total := 0, 0
	for i, r := range reports {
		if s.Processes == "" {
			s.Processes = r.Target.Who()
		}
		s.Seconds = max(s.Seconds, r.DurationSeconds)
		if r.End.After(s.Time) {
			s.Time = r.End
		}
		s.Complete = s.Complete && r.Complete
		if s.Mode = r.Mode; i > 0 && reports[i-1].Mode != r.Mode {
			s.Mode = "several"
		}
		s.estimated = s.estimated || r.Mode == report.ModeWindows
		for _, m := range r.Target.Modules {
			if id, ok := s.builds[m.Path]; ok && id != m.BuildID {
				s.builds[m.Path] = ""
				continue
			}
			s.builds[m.Path] = m.BuildID
		}
		for k := range r.Stacks {
			s.add(r, &r.Stacks[k])
		}
		for _, h := range r.Hints {
			if len(s.hints) < mostHints && !slices.Contains(s.hints, h) {
				s.hints = append(s.hints, h)
			}
		}
		listed += len(r.Stacks)
		total += max(r.StacksTotal, len(r.Stacks))
	}
	s.list(listed, total)
	if n := len(reports); n > 1 {
		s.Processes += fmt.Sprintf(" and %d more", n-1)
	}
	return s
}

// list notes how many stacks a list has, of how many. What is not in it is not known.
func (s *Side) list(listed, total int) {
	if s.Listed = listed; total > listed {
		s.StacksTotal = total
	}
}

// name is what notes call a side.
func (s *Side) name() string {
	if s.Source == "" {
		return s.Processes
	}
	return s.Source
}

// Estimated reports whether rates of leaks are all that is known of a side.
func (s *Side) Estimated() bool { return s.estimated }

// add takes up a stack of a report.
func (s *Side) add(r *report.Report, from *report.Stack) {
	one := stack{
		frames: from.Frames, own: from.OwnFrame, truncated: from.Truncated,
		bytes: float64(from.Bytes), blocks: float64(from.Blocks), leak: bounds(from.LeakBytesPerSecond),
	}
	if one.own >= len(one.frames) {
		one.own = 0
	}
	if from.Blocks > 0 {
		one.leakBlocks = bounds(from.LeakBytesPerSecond * float64(from.Blocks) / float64(max(from.Bytes, 1)))
	}
	if r.Mode == report.ModeWindows {
		e := from.Estimate
		switch {
		case e != nil && leaks[e.Class]:
			one.leak, one.leakBlocks = e.LeakBytesPerSecond, e.LeakBlocksPerSecond
		case e != nil, from.Kind == report.Grown:
			return // too little is known of it; the growth of heaps has the leaks in it
		}
	}
	if from.GivenUpStacks > 0 {
		one.frames = []report.Frame{{Function: "[given up]"}}
	}
	s.stacks = append(s.stacks, one)
}

// leaks are the classes of estimates that find a leak.
var leaks = map[string]bool{"leak": true, "active leak": true, "possible leak": true}

func bounds(v float64) report.Bounds { return report.Bounds{Value: v, Low: v, High: v} }
