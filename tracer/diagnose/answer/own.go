package answer

import (
	"regexp"

	"memtrace/tracer/report"
)

// MarkLibrary sets Library of a frame.
func MarkLibrary(f *report.Frame, t *report.Target) { f.Library = ofLibrary(f, t) }

// OwnFrame returns the index of the first frame of the program itself, 0 if there is none. A
// frame without a name is only taken if there is no other, or if it is the executable's.
func OwnFrame(frames []report.Frame, t *report.Target) int {
	unnamed := 0
	for i := range frames {
		f := &frames[i]
		switch {
		case f.Library:
		case f.Function != "", f.Module == t.Exe && !librarySoon(frames[i+1:]):
			return i
		case unnamed == 0:
			unnamed = i
		}
	}
	return unnamed
}

// librarySoon reports whether frames without names lead to one of a library: then they are of
// the library, too, as in a program that has the names of exported functions only.
func librarySoon(frames []report.Frame) bool {
	const soon = 4
	for i := range frames[:min(len(frames), soon)] {
		if frames[i].Function != "" {
			return frames[i].Library && !beginnings.MatchString(frames[i].Function)
		}
	}
	return false
}

// beginnings are the functions in which every program or thread begins. That stacks have them in
// common says nothing.
var beginnings = regexp.MustCompile(`^(_start|_?_?Py\w*(Eval|Run)\w*|Py_\w*Main\w*|execute_ex|__libc_start\w*|start_thread|thread_start|clone3?|std::rt::\w+.*|runtime\.(main|goexit\d*|mcall|mstart\d*|rt0_go)|start|__clone.*)$`)

// through returns the deepest frame that all stacks have in common, nil if that says nothing.
func through(stacks []*report.Stack) *report.Frame {
	if len(stacks) < 2 {
		return nil
	}
	common := make(map[[2]string]int)
	for i, s := range stacks {
		for k := range s.Frames {
			if f := &s.Frames[k]; common[identity(f)] == i {
				common[identity(f)] = i + 1
			}
		}
	}
	for k := range stacks[0].Frames {
		f := stacks[0].Frames[k]
		if common[identity(&f)] == len(stacks) && f.Function != "" && !f.Library && !beginnings.MatchString(f.Function) {
			return &f
		}
	}
	return nil
}

// identity tells functions apart.
func identity(f *report.Frame) [2]string { return [2]string{f.Module, f.Function} }
