package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/google/pprof/profile"
)

// Pprof writes the report as a gzipped profile.proto. Its samples have the values of Go's heap
// profiles (alloc_objects, alloc_space, inuse_objects and, as the default, inuse_space) and
// the labels that Stack.labels and byThread say. A report in ModeWindows also has estimated_leak, in
// bytes a minute, which is then the default. Where every call was traced there are peak_objects,
// peak_space and temporary_objects, too. Values beyond the format's int64 are cut to its
// maximum.
//
// Locations have the address of the call instruction's last byte, one less than the return
// address, as pprof expects. Frames without a name are left for pprof to symbolize where
// Target.Modules has their mapping.
func Pprof(w io.Writer, r *Report) error {
	return writeProfile(w, buildProfile(r, valuesOf([]*Report{r})))
}

// PprofSeveral writes the reports of several processes as one profile. The labels process and
// pid of its samples tell them apart (in pprof: -tagroot=process, -tagfocus).
func PprofSeveral(w io.Writer, list []*Report) error {
	values := valuesOf(list)
	var all []*profile.Profile
	for _, r := range list {
		p := buildProfile(r, values)
		for _, s := range p.Sample {
			s.Label["process"] = []string{escape(r.Target.Command)}
			if s.NumLabel == nil {
				s.NumLabel = make(map[string][]int64)
			}
			s.NumLabel["pid"] = []int64{int64(r.Target.PID)}
		}
		all = append(all, p)
	}
	merged, err := profile.Merge(all)
	if err != nil {
		return fmt.Errorf("merge profiles: %w", err)
	}
	// Merge adds up the times, which were the same.
	merged.DurationNanos = 0
	for _, p := range all {
		merged.DurationNanos = max(merged.DurationNanos, p.DurationNanos)
	}
	return writeProfile(w, merged)
}

// values says which values samples have beside the first four. Profiles that are merged must have
// the same.
type values struct{ estimates, measures bool }

func valuesOf(list []*Report) (v values) {
	for _, r := range list {
		v.estimates = v.estimates || r.Mode == ModeWindows
		v.measures = v.measures || r.Peak != nil
	}
	return v
}

// buildProfile makes a profile of a report.
func buildProfile(r *Report, v values) *profile.Profile {
	b := newProfileBuilder(r, v)
	for i := range r.Stacks {
		s := r.Named(&r.Stacks[i])
		b.sample(&s)
	}
	return b.prof
}

func writeProfile(w io.Writer, p *profile.Profile) error {
	if err := p.CheckValid(); err != nil {
		return fmt.Errorf("build profile: %w", err)
	}
	if err := p.Write(w); err != nil {
		return fmt.Errorf("write profile: %w", err)
	}
	return nil
}

// profileBuilder deduplicates the functions and locations of a profile and finds their
// mappings.
type profileBuilder struct {
	prof      *profile.Profile
	values    values
	functions map[[2]string]*profile.Function
	locations map[string]*profile.Location
}

func newProfileBuilder(r *Report, v values) *profileBuilder {
	p := &profile.Profile{
		SampleType: []*profile.ValueType{
			{Type: "alloc_objects", Unit: "count"},
			{Type: "alloc_space", Unit: "bytes"},
			{Type: "inuse_objects", Unit: "count"},
			{Type: "inuse_space", Unit: "bytes"},
		},
		DefaultSampleType: "inuse_space",
		// A period of one byte: every call counts, nothing is sampled.
		PeriodType:    &profile.ValueType{Type: "space", Unit: "bytes"},
		Period:        1,
		DurationNanos: toInt64(r.DurationSeconds * 1e9),
		Comments:      profileComments(r),
	}
	if v.estimates {
		p.SampleType = append(p.SampleType, &profile.ValueType{Type: "estimated_leak", Unit: "bytes/minute"})
		p.DefaultSampleType = "estimated_leak"
	}
	if v.measures {
		p.SampleType = append(p.SampleType, &profile.ValueType{Type: "peak_objects", Unit: "count"},
			&profile.ValueType{Type: "peak_space", Unit: "bytes"}, &profile.ValueType{Type: "temporary_objects", Unit: "count"})
	}
	if !r.Start.IsZero() {
		p.TimeNanos = r.Start.UnixNano()
	}
	modules := slices.Clone(r.Target.Modules)
	// pprof takes the first mapping of a profile for the main program.
	slices.SortStableFunc(modules, func(a, b Module) int {
		return isMain(b, r.Target.Exe) - isMain(a, r.Target.Exe)
	})
	for _, m := range modules {
		p.Mapping = append(p.Mapping, &profile.Mapping{
			ID:      uint64(len(p.Mapping) + 1),
			Start:   m.Start,
			Limit:   m.End,
			Offset:  m.Offset,
			File:    escape(m.Path),
			BuildID: escape(m.BuildID),
		})
	}
	return &profileBuilder{
		prof:      p,
		values:    v,
		functions: make(map[[2]string]*profile.Function),
		locations: make(map[string]*profile.Location),
	}
}

// isMain returns 1 for a mapping of the executable exe, else 0.
func isMain(m Module, exe string) int {
	if exe != "" && m.Path == exe {
		return 1
	}
	return 0
}

// profileComments returns what pprof has no field for. "pprof -comments" shows it.
func profileComments(r *Report) []string {
	comments := []string{"memtrace: " + escape(r.Target.Who())}
	if text := r.Losses(); text != "" {
		comments = append(comments, "INCOMPLETE: "+text)
	}
	if r.StacksTotal > len(r.Stacks) {
		comments = append(comments, fmt.Sprintf("the worst %d of %d stacks", len(r.Stacks), r.StacksTotal))
	}
	for i := range r.Suppressed {
		comments = append(comments, "suppressed by leak:"+escape(r.Suppressed[i].Pattern)+": "+r.Suppressed[i].String())
	}
	for _, n := range r.Notes {
		comments = append(comments, escape(n))
	}
	return comments
}

// sample adds a stack.
func (b *profileBuilder) sample(s *Stack) {
	sample := &profile.Sample{
		Label: s.labels(),
		Value: []int64{
			clampInt64(s.AllocatedBlocks), clampInt64(s.AllocatedBytes),
			clampInt64(s.Blocks), clampInt64(s.Bytes),
		},
	}
	if b.values.estimates {
		var rate uint64
		if s.Estimate != nil {
			rate = s.Estimate.leakRate()
		}
		sample.Value = append(sample.Value, clampInt64(rate))
	}
	if b.values.measures {
		sample.Value = append(sample.Value, clampInt64(s.PeakBlocks), clampInt64(s.PeakBytes), clampInt64(s.TemporaryBlocks))
	}
	for frames := s.Frames; len(frames) > 0; {
		n := inlineGroup(frames)
		sample.Location = append(sample.Location, b.location(frames[:n]))
		frames = frames[n:]
	}
	if len(s.Frames) == 0 {
		sample.Location = append(sample.Location, b.location([]Frame{{Function: s.frameless()}}))
	}
	if s.Truncated {
		sample.Location = append(sample.Location, b.location([]Frame{{Function: truncatedFrame}}))
	}
	b.prof.Sample = append(b.prof.Sample, byThread(sample, s)...)
}

// inlineGroup returns how many frames at the start of frames form one location: inlined calls,
// innermost first, and the function they were inlined into.
func inlineGroup(frames []Frame) int {
	n := 1
	for frames[n-1].Inline && n < len(frames) && frames[n].Address == frames[0].Address {
		n++
	}
	return n
}

// location returns the location of frames that share an address.
func (b *profileBuilder) location(frames []Frame) *profile.Location {
	var key strings.Builder
	key.WriteString(strconv.FormatUint(frames[0].Address, 16))
	for _, f := range frames {
		fmt.Fprintf(&key, " %q %q %q %d %d", f.Function, f.File, f.Module, f.Offset, f.Line)
	}
	if l := b.locations[key.String()]; l != nil {
		return l
	}
	l := &profile.Location{ID: uint64(len(b.prof.Location) + 1)}
	if a := frames[0].Address; a > 0 {
		l.Address = a - 1
		l.Mapping = b.mapping(a-1, frames[0].Module)
	}
	for i := range frames {
		f := &frames[i]
		if f.Function == "" && l.Mapping != nil {
			continue // pprof reads the file, or shows the address and the file
		}
		l.Line = append(l.Line, profile.Line{Function: b.function(f), Line: int64(f.Line)})
	}
	if m := l.Mapping; m != nil && len(l.Line) > 0 {
		// Set this on any name: pprof symbolizes a mapping whole or not at all, and would
		// overwrite known names with what it finds on its own machine.
		m.HasFunctions = true
		m.HasFilenames = m.HasFilenames || frames[0].File != ""
		m.HasLineNumbers = m.HasLineNumbers || frames[0].Line > 0
		m.HasInlineFrames = m.HasInlineFrames || len(l.Line) > 1
	}
	b.prof.Location = append(b.prof.Location, l)
	b.locations[key.String()] = l
	return l
}

// mapping returns the mapping of a module that holds address, or nil. Other modules may have been
// mapped at the same address before or after.
func (b *profileBuilder) mapping(address uint64, module string) *profile.Mapping {
	module = escape(module)
	for _, m := range b.prof.Mapping {
		if m.Start <= address && address < m.Limit && (module == "" || m.File == module) {
			return m
		}
	}
	return nil
}

// function returns the function that f is in.
func (b *profileBuilder) function(f *Frame) *profile.Function {
	key := [2]string{frameName(f), f.File}
	if fn := b.functions[key]; fn != nil {
		return fn
	}
	name := escape(key[0])
	fn := &profile.Function{
		ID:         uint64(len(b.prof.Function) + 1),
		Name:       name,
		SystemName: name,
		Filename:   escape(f.File),
	}
	b.prof.Function = append(b.prof.Function, fn)
	b.functions[key] = fn
	return fn
}

// clampInt64 converts n and cuts it to the maximum of an int64.
func clampInt64(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// toInt64 converts f and cuts it to the non-negative values of an int64.
func toInt64(f float64) int64 {
	if !(f > 0) { // also true for NaN
		return 0
	}
	if f >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(f)
}
