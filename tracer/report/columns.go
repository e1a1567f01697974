package report

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// wide holds the characters that a terminal shows in two columns: the East Asian Width classes
// W and F of Unicode 16 (UAX #11). Small gaps are closed and blocks of pictographs taken
// whole. Rounding outwards may leave a line a column short, but never makes one too long.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1},
		{0x231a, 0x231b, 1},
		{0x2329, 0x232a, 1},
		{0x23e9, 0x23f3, 1},
		{0x25fd, 0x25fe, 1},
		{0x2600, 0x27bf, 1},
		{0x2b1b, 0x2b55, 1},
		{0x2e80, 0xa4cf, 1},
		{0xa960, 0xa97f, 1},
		{0xac00, 0xd7af, 1},
		{0xf900, 0xfaff, 1},
		{0xfe10, 0xfe1f, 1},
		{0xfe30, 0xfe6f, 1},
		{0xff00, 0xff60, 1},
		{0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x16fe0, 0x1b2ff, 1},
		{0x1d300, 0x1d37f, 1},
		{0x1f000, 0x1faff, 1},
		{0x20000, 0x3ffff, 1},
	},
}

// runeColumns returns the most terminal columns that r takes. Combining marks count as one:
// terminals differ in how they show them, and a name made of a thousand of them must be cut
// like any other.
func runeColumns(r rune) int {
	if unicode.Is(wide, r) {
		return 2
	}
	return 1
}

// columns returns how many terminal columns s takes. s is escaped text.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

// pad appends spaces to s up to n columns.
func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-columns(s)))
}

// headWithin returns the longest start of s that takes at most n columns.
func headWithin(s string, n int) string {
	for i, r := range s {
		if n -= runeColumns(r); n < 0 {
			return s[:i]
		}
	}
	return s
}

// tailWithin returns the longest end of s that takes at most n columns.
func tailWithin(s string, n int) string {
	for i := len(s); i > 0; {
		r, size := utf8.DecodeLastRuneInString(s[:i])
		if n -= runeColumns(r); n < 0 {
			return s[i:]
		}
		i -= size
	}
	return s
}

// cutRight shortens s to n columns and replaces its end by an ellipsis.
func cutRight(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	return headWithin(s, n-1) + ellipsis
}

// cutLeft shortens s to n columns and replaces its start by an ellipsis.
func cutLeft(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	return ellipsis + tailWithin(s, n-1)
}

// cutMiddle shortens s to n columns. It keeps more of the end than of the start: in a name the
// namespaces come first and the function itself comes last.
func cutMiddle(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	head := headWithin(s, (n-1)/3)
	return head + ellipsis + tailWithin(s, n-1-columns(head))
}
