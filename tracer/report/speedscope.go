package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Speedscope writes the report as a file of speedscope (https://www.speedscope.app), which names
// such files *.speedscope.json and shows the first profile. Profiles are what is outstanding, in
// bytes and in blocks. In a report in ModeWindows those of the estimated leaks come before, in
// bytes and in blocks a minute. Each stack is a sample, whose weight is that amount.
func Speedscope(w io.Writer, r *Report) error { return SpeedscopeSeveral(w, []*Report{r}) }

// SpeedscopeSeveral writes the reports of several processes as one file, with profiles for each,
// named for it.
func SpeedscopeSeveral(w io.Writer, list []*Report) error {
	f := newSpeedscopeFile("")
	known := make(map[speedscopeFrame]int)
	for _, r := range list {
		f.add(r, known, len(list) > 1)
	}
	if len(list) > 0 {
		f.Name = escape(list[0].Target.Who())
		if len(list) > 1 {
			f.Name += fmt.Sprintf(" and %d more", len(list)-1)
		}
	}
	return f.write(w)
}

func newSpeedscopeFile(name string) *speedscopeFile {
	f := &speedscopeFile{
		Schema:   "https://www.speedscope.app/file-format-schema.json",
		Name:     name,
		Exporter: "memtrace",
		Profiles: []*speedscopeProfile{},
	}
	f.Shared.Frames = []speedscopeFrame{}
	return f
}

func (f *speedscopeFile) write(w io.Writer) error {
	out := bufio.NewWriter(w)
	text := json.NewEncoder(out)
	text.SetEscapeHTML(false) // names of C++ stay readable
	if err := text.Encode(f); err != nil {
		return fmt.Errorf("write speedscope profile: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write speedscope profile: %w", err)
	}
	return nil
}

// speedscopeFile is the format, src/lib/file-format-spec.ts of speedscope.
type speedscopeFile struct {
	Schema string `json:"$schema"`
	Shared struct {
		Frames []speedscopeFrame `json:"frames"`
	} `json:"shared"`
	Profiles []*speedscopeProfile `json:"profiles"`
	Name     string               `json:"name"`
	Exporter string               `json:"exporter"`
}

type speedscopeFrame struct {
	Name string `json:"name"`
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

type speedscopeProfile struct {
	Type string `json:"type"`
	Name string `json:"name"`
	// Unit is bytes, or none for counts.
	Unit       string  `json:"unit"`
	StartValue float64 `json:"startValue"`
	EndValue   float64 `json:"endValue"`
	// Samples are indices of frames, outermost first. Each has a weight.
	Samples [][]int   `json:"samples"`
	Weights []float64 `json:"weights"`
}

func newSpeedscopeProfile(name, unit string) *speedscopeProfile {
	return &speedscopeProfile{Type: "sampled", Name: name, Unit: unit, Samples: [][]int{}, Weights: []float64{}}
}

func (p *speedscopeProfile) add(sample []int, weight float64) {
	if weight > 0 {
		p.Samples, p.Weights = append(p.Samples, sample), append(p.Weights, weight)
		p.EndValue += weight
	}
}

// add adds the profiles of a report, but for empty ones if there are others. known are the frames
// that the file has.
func (f *speedscopeFile) add(r *Report, known map[speedscopeFrame]int, several bool) {
	who, held := "", " outstanding"
	if several {
		who = escape(r.Target.Who()) + ": "
	}
	switch r.Mode {
	case ModeGrowth:
		held = " by which the address space grew"
	case ModeWindows:
		held = " mapped by system calls"
	}
	if !r.Complete {
		held += ", incomplete"
	}
	const estimated = " leaked a minute, estimated"
	leakBytes, leakBlocks := newSpeedscopeProfile(who+"bytes"+estimated, "bytes"), newSpeedscopeProfile(who+"blocks"+estimated, "none")
	bytes, blocks := newSpeedscopeProfile(who+"bytes"+held, "bytes"), newSpeedscopeProfile(who+"blocks"+held, "none")
	for i := range r.Stacks {
		s := r.Named(&r.Stacks[i])
		if e := s.Estimate; e != nil {
			if e.leakRate() > 0 {
				const minute = 60
				sample := f.sample(&s, known)
				leakBytes.add(sample, e.LeakBytesPerSecond.Value*minute)
				leakBlocks.add(sample, e.LeakBlocksPerSecond.Value*minute)
			}
			continue
		}
		if s.Bytes > 0 || s.Blocks > 0 {
			sample := f.sample(&s, known)
			bytes.add(sample, float64(s.Bytes))
			blocks.add(sample, float64(s.Blocks))
		}
	}
	f.addSome(leakBytes, leakBlocks, bytes, blocks)
}

// addSome adds those profiles that have samples or, if none has, the third.
func (f *speedscopeFile) addSome(all ...*speedscopeProfile) {
	some := slices.DeleteFunc(slices.Clone(all), func(p *speedscopeProfile) bool { return len(p.Samples) == 0 })
	if len(some) == 0 {
		some = all[2:3]
	}
	f.Profiles = append(f.Profiles, some...)
}

// sample returns the frames of a stack, outermost first.
func (f *speedscopeFile) sample(s *Stack, known map[speedscopeFrame]int) (sample []int) {
	add := func(frame speedscopeFrame) {
		i, ok := known[frame]
		if !ok {
			i = len(f.Shared.Frames)
			known[frame] = i
			f.Shared.Frames = append(f.Shared.Frames, frame)
		}
		sample = append(sample, i)
	}
	if s.Truncated {
		add(speedscopeFrame{Name: truncatedFrame})
	}
	for i := len(s.Frames) - 1; i >= 0; i-- {
		frame := &s.Frames[i]
		add(speedscopeFrame{Name: escape(frameName(frame)), File: escape(frame.File), Line: frame.Line})
	}
	if len(s.Frames) == 0 {
		add(speedscopeFrame{Name: s.frameless()})
	}
	return sample
}
