package report

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// mostHints is how many hints a report has at most.
const mostHints = 3

// Hints says, in sentences, what would give names and lines to the frames that the answer is
// about, if they lack them. packageOf names the distribution's package of debug files for a file
// of the process, "" if it is not known; it may be nil.
func Hints(r *Report, packageOf func(path string) string) (hints []string) {
	if r.Later != nil {
		return []string{"Names were left out (--symbols later). memtrace report names the frames of the record, wherever the files or their debug files are."}
	}
	if r.Target.Exited {
		return nil // jcmd needs the process, and its files may be gone
	}
	if hint := r.jitHint(); hint != "" {
		hints = append(hints, hint)
	}
	for _, f := range r.blamed() {
		if r.perfMapOf() != "" && f.Function != "" {
			continue // lines of the runtime itself would say less than names of its code
		}
		if hint := r.debugHint(f, packageOf); hint != "" && len(hints) < mostHints && !slices.Contains(hints, hint) {
			hints = append(hints, hint)
		}
	}
	return hints
}

// jitted reports whether a frame is of code that the program made, without a name.
func (f *Frame) jitted() bool {
	return f.Function == "" && (f.Module == "" || strings.HasPrefix(f.Module, "[anon") || f.generated())
}

// jitHint says how the frames of a JIT compiler get names, if a stack that leaks has such frames.
func (r *Report) jitHint() string {
	how := r.perfMapOf()
	if how == "" {
		return ""
	}
	const most = 100 // of the stacks that are looked at, the worst first
	for i := range r.Stacks[:min(len(r.Stacks), most)] {
		s := &r.Stacks[i]
		if _, _, leaks := s.Leak(); !leaks {
			continue
		}
		named := r.Named(s)
		for k := range named.Frames {
			if named.Frames[k].jitted() {
				return how
			}
		}
	}
	return ""
}

// blamed returns the frames that the first finding names.
func (r *Report) blamed() (frames []*Frame) {
	if r.Diagnosis == nil || len(r.Diagnosis.Findings) == 0 {
		return nil
	}
	switch first := &r.Diagnosis.Findings[0]; first.Kind {
	case Leak, ActiveLeak, NeverFreed, CacheFills, CacheReplaces:
		for _, f := range []*Frame{first.Culprit, first.Caller} {
			if f != nil {
				frames = append(frames, f)
			}
		}
	}
	return frames
}

// debugHint says which debug file would give a frame its name or line, "" if it has both or none
// is known.
func (r *Report) debugHint(f *Frame, packageOf func(string) string) string {
	if f.File != "" || !strings.HasPrefix(f.Module, "/") {
		return ""
	}
	lack := "source lines"
	if f.Function == "" {
		lack = "names"
	}
	file, id := path.Base(strings.TrimSuffix(f.Module, deletedMark)), ""
	for _, m := range r.Target.Modules {
		if m.Path == f.Module && m.BuildID != "" {
			id = " (build ID " + m.BuildID + ")"
		}
	}
	if packageOf != nil {
		if name := packageOf(f.Module); name != "" {
			return fmt.Sprintf("The frames of %s%s have no %s: apt-get install %s.", file, id, lack, name)
		}
	}
	if f.Module == r.Target.Exe {
		return fmt.Sprintf("The frames of %s%s have no %s: build it with -g and do not strip it, or install its debug file.", file, id, lack)
	}
	return fmt.Sprintf("The frames of %s%s have no %s: install its debug file.", file, id, lack)
}

// deletedMark ends the name of a file that was deleted (proc_pid_maps(5)).
const deletedMark = " (deleted)"

// hints writes what would give frames their names.
func (p *printer) hints(r *Report, opt TextOptions) {
	for i, h := range r.Hints {
		if i == 0 && opt.Height == 0 {
			p.newline()
		}
		p.paragraph(span{"hint: ", bold}, escape(h), plain)
	}
}

// Unnamed returns notes on what kept files from naming things, such as a file replaced since the process
// mapped it, or debug information of another build.
func Unnamed(things string, problems []string) (notes []string) {
	const most = 3
	for _, p := range problems[:min(len(problems), most)] {
		notes = append(notes, things+" may lack names: "+p+".")
	}
	if more := len(problems) - most; more > 0 {
		notes = append(notes, fmt.Sprintf("%s may lack names for %d more reasons like these.", things, more))
	}
	return notes
}

// linesOf is how many lines a section takes.
func (p *printer) linesOf(section func(*printer, *Report, TextOptions), r *Report, opt TextOptions) int {
	q := newPrinter(opt)
	section(q, r, opt)
	return q.lines()
}
