package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"memtrace/tracer/report"
)

// logger writes messages.
type logger struct {
	w     io.Writer
	quiet bool
	// held keeps messages while a view has the screen.
	held *held
}

// message writes a message for everyone, unless --quiet is given.
func (l logger) message(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !l.quiet && !l.held.keep(text) {
		say(l.w, text)
	}
}

// say writes one line. The text may hold names of processes and files that others chose; they
// must neither steer the terminal nor pass for lines of memtrace's own.
func say(w io.Writer, text string) {
	line := "memtrace: " + report.Escape(text)
	if width := terminalWidth(w); width > 0 {
		line = wrap(line, width)
	}
	fmt.Fprintln(w, line)
}

// terminalWidth is the number of columns of a terminal, 0 of anything else.
func terminalWidth(w io.Writer) int {
	if !isTerminal(w) {
		return 0
	}
	width, _, err := term.GetSize(int(w.(*os.File).Fd()))
	if err != nil {
		return 0
	}
	return width
}

// wrap breaks a text between words into lines of at most width runes, those after the first
// indented. A word that is longer stays whole.
func wrap(text string, width int) string {
	const indent = "  "
	var b strings.Builder
	column := 0
	for i, word := range strings.Split(text, " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
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
