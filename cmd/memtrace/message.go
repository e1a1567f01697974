package main

import (
	"fmt"
	"io"
	"strings"

	"memtrace/tracer/report"
)

// logger writes messages.
type logger struct {
	w     io.Writer
	quiet bool
}

// message is for everyone, unless --quiet.
func (l logger) message(format string, args ...any) {
	if !l.quiet {
		say(l.w, fmt.Sprintf(format, args...))
	}
}

// say writes one line. Its text may hold names that others chose, of processes and of
// files: they must neither steer the terminal nor pass for lines of memtrace's own.
func say(w io.Writer, text string) {
	fmt.Fprintf(w, "memtrace: %s\n", report.Escape(text))
}

// sayError writes an error, those that were joined each on a line of its own.
func sayError(w io.Writer, err error) {
	for _, text := range messages(err) {
		say(w, text)
	}
}

// messages are the texts of the errors that errors.Join made err of, or err's own.
func messages(err error) []string {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []string{err.Error()}
	}
	var own, all []string
	for _, e := range joined.Unwrap() {
		own = append(own, e.Error())
		all = append(all, messages(e)...)
	}
	if strings.Join(own, "\n") != err.Error() {
		return []string{err.Error()} // it has a text of its own
	}
	return all
}
