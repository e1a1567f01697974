package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"memtrace/tracer"
	"memtrace/tracer/report"
)

// output is the destination of the reports.
type output struct {
	w       io.Writer
	file    *outFile // of --output
	form    report.Form
	text    report.TextOptions
	reports int
}

// openOutput finds out whether a report can be written before anything is attached.
func openOutput(o *options, stdout io.Writer) (*output, error) {
	form, _ := report.FindForm(o.format) // the flags were checked
	out := &output{w: stdout, form: form}
	terminal := isTerminal(stdout)
	if o.output != "" {
		file, err := newOutFile(o.output)
		if err != nil {
			return nil, err
		}
		out.w, out.file, terminal = file, file, false
	} else if err := checkStdout(stdout); err != nil {
		return nil, err
	}
	if terminal && form.Binary {
		return nil, usagef("--format %s is binary: use --output FILE, or redirect", form.Name)
	}
	out.text = o.layOut(stdout, terminal)
	out.text.Color = o.color == "always" || o.color == "auto" && terminal && os.Getenv("NO_COLOR") == ""
	return out, nil
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// write appends one report for each process.
func (out *output) write(reports []*report.Report) error {
	return out.emit(func(w io.Writer) error { return out.form.WriteAll(w, reports, out.text) })
}

// finish has a report that was written whole take its place.
func (out *output) finish(w *bufio.Writer) error {
	err := w.Flush()
	if err == nil && out.file != nil {
		err = out.file.Done()
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// emit writes one report, by calling f. Reports in text are separated by a
// blank line.
func (out *output) emit(f func(io.Writer) error) error {
	w := bufio.NewWriter(out.w)
	if out.form.Separated && out.reports > 0 {
		fmt.Fprintln(w)
	}
	out.reports++
	if err := f(w); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return out.finish(w)
}

// Close closes the file of --output, if any.
func (out *output) Close() error {
	if out.file == nil {
		return nil
	}
	return out.file.Close()
}

// progress is one line on the terminal, shown while memtrace collects. Messages take its place.
type progress struct {
	w     io.Writer
	start time.Time
	mu    sync.Mutex // guards shown
	shown bool
}

// newProgress returns a progress that shows nothing if stderr is no terminal or with --quiet.
func (s *session) newProgress(stderr io.Writer) *progress {
	if s.quiet || !isTerminal(stderr) {
		return &progress{}
	}
	p := &progress{w: stderr, start: time.Now()}
	if s.screen == nil {
		s.log.under(p)
	}
	return p
}

// under has messages take the place of a progress.
func (l logger) under(p *progress) { l.held.begin(func(string) { p.clear() }, false) }

const clearLine = "\r\x1b[K"

func (p *progress) show(s tracer.Status) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown = true
	fmt.Fprint(p.w, clearLine+progressLine(time.Since(p.start), s, terminalWidth(p.w)))
}

// progressLine says how a trace is going. Of a width of 0 nothing is known. Where the line does
// not fit, its last parts are left out: a terminal would break the line, and then only clear
// its end.
func progressLine(took time.Duration, s tracer.Status, width int) string {
	parts := []string{took.Round(time.Second).String()}
	if s.Windowed {
		sign, bytes := "+", s.Resident
		if bytes < 0 {
			sign, bytes = "-", -bytes
		}
		parts = append(parts, report.Count(uint64(s.Windows))+" windows", report.Count(uint64(s.Survivors))+" survivors",
			"resident "+sign+report.Size(uint64(bytes)))
	} else {
		parts = append(parts, report.Count(s.Events)+" events",
			fmt.Sprintf("outstanding %s in %s blocks", report.Size(s.Live.Bytes), report.Count(s.Live.Blocks)))
	}
	parts = append(parts, "lost "+report.Count(s.Lost))
	line := strings.Join(parts, "  ")
	for len(parts) > 1 && width > 0 && len(line) >= width {
		parts = parts[:len(parts)-1]
		line = strings.Join(parts, "  ")
	}
	if width > 0 && len(line) >= width {
		return ""
	}
	return line
}

func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, clearLine)
		p.shown = false
	}
}
