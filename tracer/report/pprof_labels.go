package report

import (
	"maps"

	"github.com/google/pprof/profile"
)

// labels returns what the samples of a stack are labelled with, by which pprof selects
// (-tagfocus) and groups (-tagroot):
//
//	kind       what the stack is judged: the words of Class, or of an estimate's
//	memory     its Kind: heap, mmap or growth
//	served     how malloc served its blocks, in one way or several; mmap for what the program
//	           mapped itself, and for growth the kinds of memory that grew
//	allocator  who served it, where several allocators do
func (s *Stack) labels() map[string][]string {
	labels := make(map[string][]string)
	set := func(key string, values ...string) {
		for _, v := range values {
			if v != "" {
				labels[key] = append(labels[key], escape(v))
			}
		}
	}
	if s.Estimate != nil {
		set("kind", s.Estimate.Class)
	} else {
		set("kind", string(s.Class))
	}
	set("memory", string(s.Kind))
	switch s.Kind {
	case Mmap:
		set("served", "mmap")
	case Grown:
		for _, g := range s.Grown {
			set("served", g.Label)
		}
	default:
		set("served", s.Served.ways()...)
	}
	set("allocator", s.Allocator)
	return labels
}

// byThread splits a sample of a stack by the threads that allocated what is outstanding, where
// that is known. The labels thread and tid say which. What was allocated in all, and what no
// thread has, stays in the sample itself.
func byThread(sample *profile.Sample, s *Stack) (all []*profile.Sample) {
	const blocks, bytes = 2, 3 // as newProfileBuilder orders the values
	for _, t := range s.Threads {
		if t.TID == 0 {
			continue
		}
		one := &profile.Sample{
			Location: sample.Location, Value: make([]int64, len(sample.Value)),
			Label: maps.Clone(sample.Label), NumLabel: map[string][]int64{"tid": {int64(t.TID)}},
		}
		if t.Name != "" {
			one.Label["thread"] = []string{escape(t.Name)}
		}
		one.Value[blocks] = min(clampInt64(t.Blocks), sample.Value[blocks])
		one.Value[bytes] = min(clampInt64(t.Bytes), sample.Value[bytes])
		sample.Value[blocks] -= one.Value[blocks]
		sample.Value[bytes] -= one.Value[bytes]
		all = append(all, one)
	}
	return append(all, sample)
}
