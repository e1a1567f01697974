package diagnose

import (
	"encoding/json"
	"slices"
	"strings"

	"memtrace/symbolize"
	"memtrace/tracer/diagnose/answer"
	"memtrace/tracer/report"
)

// leaveForLater adds what Names needs, where names are left out.
func (d *diagnosis) leaveForLater(r *report.Report, e *answer.Evidence) {
	if !d.Symbols.Bare() {
		return
	}
	r.Later = new(report.Later)
	e.KeepWhole()
	if text, err := json.Marshal(e); err == nil { // it may have a figure that is not finite
		r.Later.Evidence = text
	}
}

// DefaultDebugDir is where debug files are looked for unless that is said.
const DefaultDebugDir = symbolize.DefaultDebugDir

// Names gives frames their names that were left out as the trace went on, and reports the answers that
// follow from these. It is not safe for concurrent use.
type Names struct{ builds *symbolize.Builds }

// NewNames returns a Names that looks for files and debug files in some directories, by build ID, and
// for files where the process had them.
func NewNames(debugDirs []string) *Names { return &Names{symbolize.NewBuilds(debugDirs)} }

// Retry has files looked for again that were not found.
func (n *Names) Retry() { n.builds.Retry() }

// Close closes the files.
func (n *Names) Close() { n.builds.Close() }

// Give gives a report names, unless it has them. The hints say which files lack them.
func (n *Names) Give(r *report.Report) error {
	if r.Later == nil {
		return nil
	}
	l := &later{
		names: n, report: r, modules: make(map[string][]report.Module), known: make(map[laterPlace][]report.Frame),
		lacking: make(map[symbolFile]*lack), texts: make(map[string]string),
	}
	for _, m := range r.Target.Modules {
		l.modules[m.Path] = append(l.modules[m.Path], m)
	}
	for i := range r.Stacks {
		l.stack(&r.Stacks[i])
	}
	if g := r.Growth; g != nil {
		for i := range g.FaultStacks {
			s := &g.FaultStacks[i]
			s.Frames = l.frames(s.Frames)
			s.OwnFrame = answer.OwnFrame(s.Frames, &r.Target)
		}
	}
	l.words()
	err := l.answer()
	r.Later = nil
	r.Hints = append(l.hints(), l.others()...)
	return err
}

// later is a report that gets its names.
type later struct {
	names  *Names
	report *report.Report
	// modules are those of the report by path.
	modules map[string][]report.Module
	known   map[laterPlace][]report.Frame
	// lacking are the files without names, texts what places without names are called by now.
	lacking map[symbolFile]*lack
	texts   map[string]string
}

type laterPlace struct {
	symbolFile
	offset uint64
}

// symbolFile is a file that a process had mapped.
type symbolFile struct{ path, id string }

// lack is how many frames of a file have no name, and why.
type lack struct {
	frames int
	why    error
}

// stack names the frames of a stack.
func (l *later) stack(s *report.Stack) {
	r := l.report
	s.Frames = l.frames(s.Frames)
	if s.Served != nil && s.Estimate == nil && r.Sampling != nil {
		s.Frames = callerOfMalloc(s.Frames)
	}
	s.OwnFrame = answer.OwnFrame(s.Frames, &r.Target)
	if r.Mode == report.ModeGrowth && !s.InAllocator {
		s.InAllocator = len(callerOfMalloc(s.Frames)) < len(s.Frames)
	}
	if f := s.Freed; f != nil {
		for _, list := range [][]report.Freer{f.By, f.Siblings} {
			for i := range list {
				list[i].Frames = l.frames(list[i].Frames)
				list[i].OwnFrame = answer.OwnFrame(list[i].Frames, &r.Target)
			}
		}
		if m := f.Missing; m != nil {
			for _, one := range []*report.Frame{&m.By, &m.Like, &m.Other} {
				*one = l.own(one)
			}
		}
	}
}

// frames names frames: each may be several by now, of calls that are inlined.
func (l *later) frames(bare []report.Frame) []report.Frame {
	frames := make([]report.Frame, 0, len(bare))
	for i := range bare {
		frames = append(frames, l.at(&bare[i])...)
	}
	return frames
}

// own names a frame that stands alone: of calls that are inlined it is the program's innermost.
func (l *later) own(bare *report.Frame) report.Frame {
	frames := l.at(bare)
	return frames[answer.OwnFrame(frames, &l.report.Target)]
}

// at returns what a frame without a name is.
func (l *later) at(bare *report.Frame) []report.Frame {
	if bare.Function != "" || !strings.HasPrefix(bare.Module, "/") || strings.HasPrefix(bare.Module, "/memfd:") { // that is no file
		return []report.Frame{*bare}
	}
	at := laterPlace{symbolFile{bare.Module, l.buildOf(bare)}, bare.Offset}
	if _, ok := l.known[at]; !ok {
		l.known[at] = l.resolve(at, bare)
	}
	frames := slices.Clone(l.known[at])
	for i := range frames {
		frames[i].Address = bare.Address
	}
	return frames
}

func (l *later) resolve(at laterPlace, bare *report.Frame) []report.Frame {
	found, err := l.names.builds.Resolve(at.path, at.id, at.offset)
	if err != nil || found[0].Function == "" {
		l.call(bare, "")
		if err == nil && bare.Library {
			return []report.Frame{*bare} // its names would say little
		}
		if l.lacking[at.symbolFile] == nil {
			l.lacking[at.symbolFile] = &lack{why: err}
		}
		l.lacking[at.symbolFile].frames++
		return []report.Frame{*bare}
	}
	var frames []report.Frame
	for _, f := range found {
		one := *bare
		one.Function, one.File, one.Line, one.Inline = f.Function, f.File, f.Line, f.Inline
		answer.MarkLibrary(&one, &l.report.Target)
		frames = append(frames, one)
	}
	l.call(bare, report.ShortName(frames[answer.OwnFrame(frames, &l.report.Target)].Function, 60))
	return frames
}

// call notes what a place without a name is called by now, "" for nothing. Files of one name may have
// several such places, which keep what they are called.
func (l *later) call(bare *report.Frame, name string) {
	place := bare.Place()
	if known, ok := l.texts[place]; ok && known != name {
		name = ""
	}
	l.texts[place] = name
}

// buildOf is the build ID of the file that a frame is in, "" if it has none, or if there were several
// files of that path and it is not known which.
func (l *later) buildOf(f *report.Frame) string {
	var ids, here []string
	for _, m := range l.modules[f.Module] {
		ids = append(ids, m.BuildID)
		if f.Address > m.Start && f.Address <= m.End { // it is a return address
			here = append(here, m.BuildID)
		}
	}
	for _, list := range [][]string{here, ids} {
		if list = slices.Compact(slices.Sorted(slices.Values(list))); len(list) == 1 {
			return list[0]
		}
	}
	return ""
}
