package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxNameBytes bounds a single name in every form. Compilers emit nothing close to it in
// practice, but the traced process chooses its symbol names, and a report must not grow with
// them.
const maxNameBytes = 4 << 10

// ellipsis stands for what was cut from a name.
const ellipsis = "…"

// Escape makes text that may hold names from the traced process safe to show in a message.
func Escape(s string) string { return escape(s) }

// escape makes a name from the traced process safe to show. Anything that could steer a
// terminal or reorder the text around it (control characters, bidi controls, line separators,
// other invisible format characters) and anything that is not UTF-8 becomes \xNN or \u{N}.
// Names longer than maxNameBytes are cut. Backslashes stay as they are: the result is for
// reading, not for parsing.
func escape(s string) string { return escapeAlso(s, nil) }

// escapeAlso is escape for a form that has delimiters of its own. It also escapes the
// characters for which special returns true.
func escapeAlso(s string, special func(rune) bool) string {
	unsafe := func(r rune, size int) bool {
		return r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) || special != nil && special(r)
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if b.Len() >= maxNameBytes {
			b.WriteString(ellipsis)
			break
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case !unsafe(r, size):
			b.WriteString(s[i : i+size])
		case size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
		i += size
	}
	return b.String()
}
