package diagnose

import (
	"fmt"
	"strings"

	"memtrace/symbolize/patience"
	"memtrace/tracer/process/target"
	"memtrace/tracer/report"
)

// unread returns notes on files and other things that did not answer in time.
func unread(files, others []string) (notes []string) {
	const most = 5
	for _, file := range files[:min(len(files), most)] {
		notes = append(notes, fmt.Sprintf("%s did not answer within %v: frames may lack names or be cut, and an allocator in it is not traced.", file, patience.Limit))
	}
	if more := len(files) - most; more > 0 {
		notes = append(notes, fmt.Sprintf("%s more files did not answer either.", report.Count(uint64(more))))
	}
	for _, what := range others {
		notes = append(notes, fmt.Sprintf("The process, or a file of its, did not answer: %s is missing.", what))
	}
	return notes
}

// damaged returns notes on what could not be read of a process's program.
func damaged(t *target.Target) (notes []string) {
	for _, what := range t.Unread {
		notes = append(notes, fmt.Sprintf("Could not read %s: should it hold an allocator, that is not traced, and frames in it lack names.", what))
	}
	return notes
}

// unwatched returns notes on limits and children that were not looked at.
func unwatched(f *Facts) (notes []string) {
	if l := f.Limits; l != nil && len(l.Unread) > 0 {
		notes = append(notes, fmt.Sprintf("Memory may run out sooner than is said: could not read %s.", strings.Join(l.Unread, ", ")))
	}
	switch k := &f.Kin; {
	case k.Truncated:
		notes = append(notes, "Some child processes are not watched: there are too many to list.")
	case k.Unwatched > 0:
		notes = append(notes, fmt.Sprintf("%s child processes are not watched, those that hold least: there are too many.", report.Count(uint64(k.Unwatched))))
	}
	return notes
}
