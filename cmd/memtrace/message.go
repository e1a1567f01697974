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

// message writes a message for everyone, unless --quiet is given.
func (l logger) message(format string, args ...any) {
	if !l.quiet {
		say(l.w, fmt.Sprintf(format, args...))
	}
}

// say writes one line. The text may hold names of processes and files that others chose; they
// must neither steer the terminal nor pass for lines of memtrace's own.
func say(w io.Writer, text string) {
	fmt.Fprintf(w, "memtrace: %s\n", report.Escape(text))
}

// sayError writes an error. Errors that were joined get a line each.
func sayError(w io.Writer, err error) {
	for _, text := range messages(err) {
		say(w, text)
	}
}

// messages returns the texts of the errors that errors.Join joined into err, or err's own
// text.
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
