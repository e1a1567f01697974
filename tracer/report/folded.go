package report

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
)

// These frames stand for what is not known, in the forms that have no other place to say so.
const (
	unknownFrame   = "[unknown]"
	truncatedFrame = "[truncated]"
	givenUpFrame   = "[given up]"
	estimatedFrame = "[estimated leak, bytes a minute]"
)

// Folded writes one line for each distinct stack, "root;...;leaf BYTES", as flamegraph.pl and
// speedscope read it. Frames run outermost first; the last is the caller of the allocation
// function. The number is the bytes outstanding. Estimates are in bytes a minute, below a root
// frame that says so. A stack that is deeper than the frames known of it starts with
// [truncated].
func Folded(w io.Writer, r *Report) error {
	// The lines of many stacks take much memory, so their hashes stand for them until they are
	// written.
	type sum struct {
		first int // the first stack with this line
		bytes uint64
	}
	var order [][sha256.Size]byte
	sums := make(map[[sha256.Size]byte]sum)
	for i := range r.Stacks {
		line, bytes := foldedLine(r, i)
		if line == "" {
			continue
		}
		hash := sha256.Sum256([]byte(line))
		s, ok := sums[hash]
		if !ok {
			s.first = i
			order = append(order, hash)
		}
		s.bytes = addClamped(s.bytes, bytes)
		sums[hash] = s
	}
	for _, hash := range order {
		line, _ := foldedLine(r, sums[hash].first)
		if _, err := fmt.Fprintf(w, "%s %d\n", line, sums[hash].bytes); err != nil {
			return fmt.Errorf("write folded stacks: %w", err)
		}
	}
	return nil
}

// foldedLine returns the line of the i-th stack and its bytes. The line is empty for an
// estimate that finds no leak.
func foldedLine(r *Report, i int) (line string, bytes uint64) {
	s := r.Named(&r.Stacks[i])
	line, bytes = foldedStack(&s), s.Bytes
	if s.Estimate != nil {
		// Give estimates a root of their own, to keep them apart from counts.
		if bytes = s.Estimate.leakRate(); bytes == 0 {
			return "", 0
		}
		line = estimatedFrame + ";" + line
	}
	return line, bytes
}

// frameless returns the frame to show for a stack that has none.
func (s *Stack) frameless() string {
	if s.GivenUpStacks > 0 {
		return givenUpFrame
	}
	return unknownFrame
}

// foldedStack joins the names of a stack's frames, outermost first.
func foldedStack(s *Stack) string {
	names := make([]string, 0, len(s.Frames)+1)
	if s.Truncated {
		names = append(names, truncatedFrame)
	}
	for i := len(s.Frames) - 1; i >= 0; i-- {
		f := &s.Frames[i]
		if i+1 < len(s.Frames) && f.generated() && s.Frames[i+1].generated() {
			continue // how many there are depends on what was compiled by then
		}
		names = append(names, foldedName(f))
	}
	if len(s.Frames) == 0 {
		names = append(names, s.frameless())
	}
	// "name 12 345" would be read as a differential profile with two counts.
	last := &names[len(names)-1]
	if i := strings.LastIndexByte(*last, ' '); i >= 0 && isNumber((*last)[i+1:]) {
		*last = (*last)[:i] + `\x20` + (*last)[i+1:]
	}
	return strings.Join(names, ";")
}

// foldedName names a frame so that it is one component of a folded stack.
func foldedName(f *Frame) string {
	return escapeAlso(frameName(f), func(r rune) bool { return r == ';' })
}

// frameName returns the function of f, or else its place in its module: unlike its address,
// that is the same in every run.
func frameName(f *Frame) string {
	switch {
	case f.Function != "":
		return f.Function
	case f.Module == "" && f.Address == 0:
		return unknownFrame
	}
	return f.Place()
}

// isNumber reports whether s looks like the count of a folded stack.
func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.") == ""
}
