package report

import (
	"io"

	"github.com/google/pprof/profile"
)

// HeapPprof writes what is in the heap as a gzipped profile.proto. Its stacks are no calls: the root
// is what holds blocks, and the leaf what they are. The values are inuse_objects and, as the default,
// inuse_space. Labels are holder, kind and, as a number, size.
func HeapPprof(w io.Writer, r *HeapReport) error {
	p := &profile.Profile{
		SampleType:        []*profile.ValueType{{Type: "inuse_objects", Unit: "count"}, {Type: "inuse_space", Unit: "bytes"}},
		DefaultSampleType: "inuse_space",
		PeriodType:        &profile.ValueType{Type: "space", Unit: "bytes"},
		Period:            1,
		DurationNanos:     toInt64(r.DurationSeconds * 1e9),
		Comments:          []string{"memtrace: " + escape(r.Answer)},
	}
	for _, n := range r.Notes {
		p.Comments = append(p.Comments, escape(n))
	}
	if !r.End.IsZero() {
		p.TimeNanos = r.End.UnixNano()
	}
	locations := make(map[string]*profile.Location)
	location := func(name string) *profile.Location {
		if l := locations[name]; l != nil {
			return l
		}
		id := uint64(len(p.Location) + 1)
		f := &profile.Function{ID: id, Name: name, SystemName: name}
		l := &profile.Location{ID: id, Line: []profile.Line{{Function: f}}}
		p.Function, p.Location = append(p.Function, f), append(p.Location, l)
		locations[name] = l
		return l
	}
	for i := range r.Kinds {
		k := &r.Kinds[i]
		holder := (&HeapRoot{Class: HeapMixed}).Held()
		if r.OneIn > 0 {
			holder = (&HeapRoot{Class: HeapUnlooked}).Held()
		}
		if k.Holder >= 0 && k.Holder < len(r.Holders) {
			holder = r.Holders[k.Holder].HeapRoot.String()
		} else if k.Holder == HeapNoHolder {
			holder = (&HeapRoot{Class: HeapUnreached}).String()
		}
		kind := heapKind(k.Size, k.Kind)
		p.Sample = append(p.Sample, &profile.Sample{
			Location: []*profile.Location{location(kind), location(holder)},
			Value:    []int64{clampInt64(k.Blocks), clampInt64(k.Bytes)},
			Label:    map[string][]string{"holder": {holder}, "kind": {kind}},
			NumLabel: map[string][]int64{"size": {clampInt64(k.Size)}},
			NumUnit:  map[string][]string{"size": {"bytes"}},
		})
	}
	return writeProfile(w, p)
}
