package report

// What follows is for views that show a report in a layout of their own, as the live view does.

// Columns returns how many terminal columns a text without control characters takes at most.
func Columns(s string) int { return columns(s) }

// Cut shortens a text without control characters to n columns, of which the last is then an
// ellipsis. Of no columns nothing is left.
func Cut(s string, n int) string {
	if n <= 0 {
		return ""
	}
	return cutRight(s, n)
}

// Shown returns what the text form shows of a frame: its name or else its address, and where it is.
// Both are safe for a terminal.
func (f *Frame) Shown() (name, place string) {
	r := rowOf(f, 1)
	return r.name + r.suffix, r.place
}
