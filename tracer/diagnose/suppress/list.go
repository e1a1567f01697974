package suppress

import (
	"bufio"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"memtrace/tracer/report"
)

// Known is the name that stands for the list that memtrace comes with.
const Known = "default"

//go:embed known.supp
var known []byte

// List is suppressions in their order. The nil List suppresses nothing. Match is safe for
// concurrent use.
type List struct {
	rules []rule
	mu    sync.Mutex
	// found remembers which rule, if any, a text has matched.
	found map[string]*rule
}

type rule struct {
	text string
	pattern
}

// Open reads files in their order. Known stands for the list that memtrace comes with. An error
// names the file and, of a line that is none, its number.
func Open(names []string) (*List, error) {
	l := &List{found: make(map[string]*rule)}
	for _, name := range names {
		text := known
		if name != Known {
			var err error
			if text, err = read(name); err != nil {
				return nil, err
			}
		}
		if err := l.parse(name, text); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// read reads a file, unless it is too large to be one that somebody wrote.
func read(name string) ([]byte, error) {
	const most = 4 << 20
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("%s has more than 4 MiB", name)
	}
	return text, err
}

// parse adds the suppressions of a text, as SuppressionContext::Parse of compiler-rt reads them.
func (l *List) parse(name string, text []byte) error {
	const kind = "leak:"
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimLeft(lines.Text(), " \t")
		if line == "" || line == "\r" || line[0] == '#' {
			continue
		}
		of, ok := strings.CutPrefix(strings.TrimRight(line, " \t\r"), kind)
		switch {
		case !ok:
			return fmt.Errorf("%s:%d: %.60q is not leak:PATTERN", name, n, line)
		case of == "":
			return fmt.Errorf("%s:%d: leak: without a pattern would hide everything", name, n)
		}
		l.rules = append(l.rules, rule{of, compile(of)})
	}
	return lines.Err()
}

// Match returns the pattern that hides a stack of these frames, "" if none does. As in
// LeakSanitizer it is looked for in the path of the module, the function and the source file of
// each frame, from the innermost on, and the first that is found counts.
func (l *List) Match(frames []report.Frame) string {
	if l == nil {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range frames {
		f := &frames[i]
		for _, text := range []string{f.Module, f.Function, f.File} {
			if r := l.match(text); r != nil {
				return r.text
			}
		}
	}
	return ""
}

func (l *List) match(text string) *rule {
	if r, ok := l.found[text]; ok {
		return r
	}
	var first *rule
	for i := range l.rules {
		if l.rules[i].in(text) {
			first = &l.rules[i]
			break
		}
	}
	const most = 1 << 16 // names of functions; there may be any number
	if len(l.found) >= most {
		clear(l.found)
	}
	l.found[text] = first
	return first
}
