package kerneltest

import (
	"bytes"
	"regexp"
)

var (
	failure = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)
	// turn is the line after which the output is a test's.
	turn = regexp.MustCompile(`^=== (?:RUN|CONT|NAME) +(\S+)`)
)

// failedLines picks from what go test -v prints the lines of tests that failed. Without
// it they are hard to find: tests that run side by side take turns, and the list of what
// has failed comes long after what it failed by.
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
