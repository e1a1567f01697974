package kerneltest

import (
	"bytes"
	"regexp"
)

var (
	failure = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)
	// turn is the line after which the output belongs to a test.
	turn = regexp.MustCompile(`^=== (?:RUN|CONT|NAME) +(\S+)`)
)

// failedLines picks the lines of failed tests from the output of go test -v. They are hard to
// find otherwise: parallel tests take turns, and the list of failed tests comes long after the
// lines that say why.
func failedLines(output []byte) (lines []byte) {
	failed := make(map[string]bool)
	for _, found := range failure.FindAllSubmatch(output, -1) {
		failed[string(found[1])] = true
	}
	current := ""
	for line := range bytes.Lines(output) {
		if found := turn.FindSubmatch(line); found != nil {
			current = string(found[1])
			continue
		}
		result := bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("--- "))
		if failure.Match(line) || !result && failed[current] && !bytes.HasPrefix(line, []byte("=== ")) {
			lines = append(lines, line...)
		}
	}
	return lines
}
