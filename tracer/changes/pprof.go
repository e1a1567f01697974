package changes

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"

	"memtrace/tracer/diagnose/answer"
	"memtrace/tracer/report"
)

// fromProfile makes a side of a profile of what is in use: memtrace's own, or one of Go, tcmalloc,
// jemalloc and the like.
func fromProfile(in io.Reader) (*Side, error) {
	p, err := parseProfile(in)
	if err != nil {
		return nil, err
	}
	value := func(name string) int {
		return slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == name })
	}
	space, objects, leak := value("inuse_space"), value("inuse_objects"), value("estimated_leak")
	if space < 0 && leak < 0 {
		var has []string
		for _, t := range p.SampleType {
			has = append(has, report.Escape(t.Type))
		}
		return nil, fmt.Errorf("it has no inuse_space, only %s", strings.Join(has, ", "))
	}
	if slices.ContainsFunc(p.Comments, func(c string) bool { return strings.HasPrefix(c, "memtrace diff:") }) {
		return nil, errors.New("it is a difference already")
	}
	s := &Side{estimated: leak >= 0, builds: make(map[string]string)}
	s.Kind, s.Units, s.Complete = "pprof", 1, true
	s.Seconds = float64(p.DurationNanos) / 1e9
	if p.TimeNanos != 0 {
		s.Time = time.Unix(0, p.TimeNanos+p.DurationNanos)
	}
	s.describe(p)
	target := targetOf(p)
	for _, sample := range p.Sample {
		one := stack{frames: framesOf(sample, target)}
		one.own = answer.OwnFrame(one.frames, target)
		if space >= 0 {
			one.bytes = float64(sample.Value[space])
		}
		if objects >= 0 {
			one.blocks = float64(sample.Value[objects])
		}
		if leak >= 0 {
			one.leak = bounds(float64(sample.Value[leak]) / 60) // it is in bytes a minute
		}
		s.stacks = append(s.stacks, one)
	}
	return s, nil
}

// mostProfile is how large a profile may be once it is unpacked.
const mostProfile = 256 << 20

// parseProfile reads a profile, packed or not, in any of the formats that pprof knows.
func parseProfile(in io.Reader) (*profile.Profile, error) {
	in, err := unpack(bufio.NewReader(in))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(in, mostProfile+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > mostProfile:
		return nil, fmt.Errorf("it has more than %s", report.Size(mostProfile))
	case packed(text):
		return nil, errors.New("it is packed twice")
	}
	return profile.ParseData(text)
}

// unpack reads what is packed, and all else as it is.
func unpack(in *bufio.Reader) (io.Reader, error) {
	if head, _ := in.Peek(2); packed(head) { // what cannot be read is said later
		return gzip.NewReader(in)
	}
	return in, nil
}

// packed reports whether a text begins as one of gzip does.
func packed(text []byte) bool { return bytes.HasPrefix(text, []byte{0x1f, 0x8b}) }

// describe takes from a profile what it is of.
func (s *Side) describe(p *profile.Profile) {
	s.Processes = "a profile"
	listed, total := 0, 0
	for _, c := range p.Comments {
		var n, of int
		if _, err := fmt.Sscanf(c, "the worst %d of %d stacks", &n, &of); err == nil && n >= 0 && of > n {
			listed, total = listed+n, total+of
		}
		if of, ok := strings.CutPrefix(c, "memtrace: "); ok {
			s.Processes = of
		}
		s.Complete = s.Complete && !strings.HasPrefix(c, "INCOMPLETE")
	}
	s.list(listed, total)
	if s.Processes == "a profile" && len(p.Mapping) > 0 && p.Mapping[0].File != "" {
		s.Processes = path.Base(p.Mapping[0].File)
	}
	for _, m := range p.Mapping {
		if id, ok := s.builds[m.File]; ok && id != m.BuildID {
			s.builds[m.File] = ""
			continue
		}
		s.builds[m.File] = m.BuildID
	}
}

// targetOf is what tells functions of libraries from the program's.
func targetOf(p *profile.Profile) *report.Target {
	t := new(report.Target)
	for i, m := range p.Mapping {
		if i == 0 {
			t.Exe = m.File
		}
		if base := path.Base(m.File); strings.HasPrefix(base, "libc.so") || strings.HasPrefix(base, "libc-") {
			t.Libc = m.File
		}
	}
	return t
}

// framesOf returns the frames of a sample.
func framesOf(sample *profile.Sample, target *report.Target) (frames []report.Frame) {
	for _, l := range sample.Location {
		f := report.Frame{Address: l.Address}
		if m := l.Mapping; m != nil {
			f.Module, f.Offset = m.File, l.Address-m.Start+m.Offset
		}
		for i, line := range l.Line {
			one := f
			one.Line, one.Inline = int(line.Line), i+1 < len(l.Line)
			if line.Function != nil {
				one.Function, one.File = line.Function.Name, line.Function.Filename
			}
			frames = append(frames, one)
		}
		if len(l.Line) == 0 {
			frames = append(frames, f)
		}
	}
	for i := range frames {
		answer.MarkLibrary(&frames[i], target)
	}
	return frames
}
