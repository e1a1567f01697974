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
	"memtrace/tracer/process/target"
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

// answer groups the stacks, and makes the answer anew with names. Of a sum of several processes the old
// one stays.
func (l *later) answer() error {
	r := l.report
	merged, stacks := mergedStacks(r.Stacks), len(r.Stacks)
	err := l.judge()
	r.StacksTotal -= min(stacks-len(r.Stacks), r.StacksTotal) // those that are alike with names are one
	for i := range r.Stacks {
		answer.RetellFreed(&r.Stacks[i], r.Sampling == nil)
	}
	if r.Timeline != nil {
		joinTimelines(r.Timeline, r.Stacks, merged)
	}
	if len(r.Modules) > 0 && len(r.Stacks) == r.StacksTotal {
		r.Modules = report.Modules(r.Stacks, func(*report.Stack) bool { return true })
	}
	return err
}

func (l *later) judge() error {
	r := l.report
	if r.Later.Evidence == nil || r.Diagnosis == nil {
		r.Stacks = answer.Group(r.Stacks)
		return nil
	}
	e := &answer.Evidence{Report: r}
	if err := json.Unmarshal(r.Later.Evidence, e); err != nil {
		return fmt.Errorf("read what the answer is made from: %w", err)
	}
	named := target.Names(e.NamedBy)
	e.Named, e.Defines = named.Has, l.defines
	deadline := r.Diagnosis.Deadline
	r.Diagnosis = e.Anew()
	r.Diagnosis.Deadline = deadline
	return nil
}

// defines is Evidence.Defines.
func (l *later) defines(path string, names ...string) string {
	return l.names.builds.Defines(path, l.buildOf(&report.Frame{Module: path}), names...)
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

// others are the hints of a report that do not repeat these.
func (l *later) others() []string {
	r := *l.report
	if r.Diagnosis != nil && len(r.Diagnosis.Findings) > 0 {
		d, first := *r.Diagnosis, r.Diagnosis.Findings[0]
		for _, at := range []**report.Frame{&first.Culprit, &first.Caller} {
			if f := *at; f != nil && f.Function == "" && l.lacking[symbolFile{f.Module, l.buildOf(f)}] != nil {
				*at = nil
			}
		}
		d.Findings = []report.Finding{first}
		r.Diagnosis = &d
	}
	return report.Hints(&r, nil)
}

func (l *later) hint(f symbolFile) string {
	lacking := l.lacking[f]
	name := path.Base(f.path)
	file := report.Counted(uint64(lacking.frames), "place of "+name+" has", "places of "+name+" have") + " no name"
	if f.id != "" {
		file += " (build ID " + f.id + ")"
	}
	place := l.names.builds.DebugPlace(f.id)
	switch {
	case place == "":
		return file + ": the file has no build ID, or there were several of that name, so it cannot be found later."
	case errors.Is(lacking.why, symbolize.ErrNoBuild):
		return fmt.Sprintf("%s: put the file or its debug file, of that very build, at %s, or install the debug files of its package.", file, place)
	}
	return fmt.Sprintf("%s: the file has no such symbols. Put its debug file at %s, or install the debug files of its package.", file, place)
}
