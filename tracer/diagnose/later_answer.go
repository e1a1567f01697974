package diagnose

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"

	"memtrace/symbolize"
	"memtrace/tracer/diagnose/answer"
	"memtrace/tracer/report"
)

// barePlace is what Frame.Place writes of a frame without a name.
var barePlace = regexp.MustCompile(`[^\s(]+\+0x[0-9a-f]+`)

// words puts names into what was said in words without them.
func (l *later) words() {
	name := func(text *string) {
		*text = barePlace.ReplaceAllStringFunc(*text, func(at string) string { return cmp.Or(l.texts[at], at) })
	}
	r := l.report
	if m := r.Memory; m != nil {
		for i := range m.Segments {
			name(&m.Segments[i].Origin)
		}
	}
	d := r.Diagnosis
	if d == nil {
		return
	}
	name(&d.Answer)
	for i := range d.Findings {
		f := &d.Findings[i]
		name(&f.Text)
		for _, one := range []**report.Frame{&f.Culprit, &f.Caller} {
			if *one != nil {
				named := l.own(*one)
				*one = &named
			}
		}
	}
}

// answer makes the answer anew, with names. Of a sum of several processes the old one stays.
func (l *later) answer() error {
	r := l.report
	if len(r.Modules) > 0 && len(r.Stacks) == r.StacksTotal {
		r.Modules = report.Modules(r.Stacks, func(*report.Stack) bool { return true })
	}
	if r.Later.Evidence == nil || r.Diagnosis == nil {
		return nil
	}
	e := &answer.Evidence{Report: r}
	if err := json.Unmarshal(r.Later.Evidence, e); err != nil {
		return fmt.Errorf("read what the answer is made from: %w", err)
	}
	// Answers are about stacks of which nothing is taken out yet.
	reserved := func(s *report.Stack) uint64 {
		if s.Kind == report.Heap {
			return 0
		}
		return s.ReservedBytes
	}
	for i := range r.Stacks {
		r.Stacks[i].Bytes += reserved(&r.Stacks[i])
	}
	e.JudgeTogether()
	deadline := r.Diagnosis.Deadline
	r.Diagnosis = answer.Of(e)
	r.Diagnosis.Deadline = deadline
	for i := range r.Stacks {
		r.Stacks[i].Bytes -= reserved(&r.Stacks[i])
	}
	return nil
}

// hints says which files lack names, those of the most frames first, and what to do.
func (l *later) hints() (hints []string) {
	const most = 5
	files := make([]symbolFile, 0, len(l.lacking))
	for f := range l.lacking {
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b symbolFile) int {
		return cmp.Or(cmp.Compare(l.lacking[b].frames, l.lacking[a].frames), cmp.Compare(a.path, b.path), cmp.Compare(a.id, b.id))
	})
	for i, f := range files {
		if i == most {
			hints = append(hints, fmt.Sprintf("%d more files lack names.", len(files)-most))
			break
		}
		hints = append(hints, l.hint(f))
	}
	for _, p := range l.names.builds.Problems() {
		if len(hints) < 2*most {
			hints = append(hints, "Not used: "+p+".")
		}
	}
	return hints
}

func (l *later) hint(f symbolFile) string {
	lacking := l.lacking[f]
	name := path.Base(f.path)
	file := report.Counted(uint64(lacking.frames), "place of "+name+" has", "places of "+name+" have") + " no name"
	if f.id != "" {
		file += " (build ID " + f.id + ")"
	}
	place := symbolize.DebugPlace(l.names.dirs[0], f.id)
	switch {
	case place == "":
		return file + ": the file has no build ID, or there were several of that name, so it cannot be found later."
	case errors.Is(lacking.why, symbolize.ErrNoBuild):
		return fmt.Sprintf("%s: put the file or its debug file, of that very build, at %s, or install the debug files of its package.", file, place)
	}
	return fmt.Sprintf("%s: the file has no such symbols. Put its debug file at %s, or install the debug files of its package.", file, place)
}
