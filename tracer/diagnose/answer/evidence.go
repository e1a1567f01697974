package answer

import (
	"memtrace/tracer/report"
)

// Evidence is what an answer is made from. Its JSON form is for answers that are made anew once there
// are names: what is a report or a function is not in it.
type Evidence struct {
	// Report has all stacks, grouped and judged (Group, Judge), and everything else but the
	// Diagnosis.
	Report *report.Report `json:"-"`
	// Kept is what malloc keeps free now, KeptFirst the same when the trace began; nil where
	// that is not known.
	Kept, KeptFirst *Kept
	// OldFreed is what malloc took for the blocks from before the trace that were freed.
	// OldUnsized is how many such blocks were freed whose size is not known.
	OldFreed   report.Sum
	OldUnsized uint64
	// Young is the bytes of blocks that are too young to list.
	Young uint64
	// Children are the processes below the traced one.
	Children []report.Child
	// Followed: these are traced as well.
	Followed bool
	// Threads is how many threads the process has now, and ThreadsGrowing that there are more
	// and more of them. Threads is 0 where that is not known.
	Threads        int
	ThreadsGrowing bool
	// Held says whether something kept the process from running.
	Held Held
	// Allocators is how many allocators of the process are traced. Allocator is what the one is
	// called whose family is known, "" if there is none or if there are several.
	Allocators int
	Allocator  string
	// Several means that more than one allocator has served the process.
	Several bool
	// Defines returns the first of some names that a function of an object has, "" if there is
	// none. It is nil where that is not known.
	Defines func(object string, names ...string) string `json:"-"`
	// Named reports whether the user has named a function as one that allocates. It is nil where
	// none was. NamedBy is how that was done.
	Named   func(function string) bool `json:"-"`
	NamedBy struct{ Functions, Prefixes []string }
	// Bare means that there are no names yet. What they tell is then not judged.
	Bare bool `json:"-"`
	// Whole is the figures of the stacks, by kind and ID, of which a part is taken out once the answer is
	// made. It is set where the answer is to be made anew.
	Whole map[string]Whole `json:",omitempty"`
	// Seconds is how long growth was observed: since the trace began, or since the process
	// executed its program.
	Seconds float64
}

// Kept is the bytes that malloc has from the kernel for its heaps, and those of them that are
// in no block.
type Kept struct {
	System, Free uint64
	// Complete is false where not all free memory could be counted.
	Complete bool
	// Arenas is how many heaps malloc serves threads from, the main one included.
	Arenas int
}

// Held says what kept a process from running.
type Held struct {
	// Now means that it is held at the end of the report. Part is for how much of the time it
	// was, 0 to 1.
	Now  bool
	Part float64
	// Debugged means that a debugger held it, and Debugger is who, "" if that is not known.
	Debugged bool
	Debugger string
}

// Whole is figures of a stack with what is reserved.
type Whole struct {
	Bytes, ReservedBytes uint64
	GrowthBytesPerSecond float64
}

// KeepWhole sets Whole.
func (e *Evidence) KeepWhole() {
	e.Whole = make(map[string]Whole)
	for i := range e.Report.Stacks {
		if s := &e.Report.Stacks[i]; s.ReservedBytes > 0 && s.GivenUpStacks == 0 {
			e.Whole[wholeKey(s)] = Whole{s.Bytes, s.ReservedBytes, s.GrowthBytesPerSecond}
		}
	}
}

func wholeKey(s *report.Stack) string { return string(s.Kind) + " " + s.ID }

// whole returns a stack as the answer was made from it.
func (e *Evidence) whole(s report.Stack) report.Stack {
	if w, ok := e.Whole[wholeKey(&s)]; ok && s.GivenUpStacks == 0 {
		s.Bytes, s.ReservedBytes, s.GrowthBytesPerSecond = w.Bytes, w.ReservedBytes, w.GrowthBytesPerSecond
	}
	return s
}

// windows reports whether stacks were estimated from windows of time.
func (e *Evidence) windows() bool { return e.Report.Mode == report.ModeWindows }

// filtered reports whether blocks of some sizes were not traced.
func (e *Evidence) filtered() bool { return e.Report.MinSize > 0 || e.Report.MaxSize > 0 }

// growth reports whether only system calls were traced.
func (e *Evidence) growth() bool { return e.Report.Mode == report.ModeGrowth }

// glibc reports whether the heap is that of glibc alone, so that it is known which memory is malloc's.
func (e *Evidence) glibc() bool { return e.Report.MallocSplit != nil && !e.Several }

// seconds is how long growth was observed.
func (e *Evidence) seconds() float64 { return max(e.Seconds, 1e-3) }

// minSeconds is the shortest time from which growth is judged. Its value leaves room for the
// samples that a slope takes, and for the start-up of what a process does in turn.
const minSeconds = 3

// tooShort reports whether growth cannot be judged yet.
func (e *Evidence) tooShort() bool {
	r := e.Report
	if e.windows() {
		return r.Sampling.Windows == 0
	}
	return e.Seconds < minSeconds
}
