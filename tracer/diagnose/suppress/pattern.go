package suppress

import "strings"

// pattern is one of LeakSanitizer's (TemplateMatch in compiler-rt's sanitizer_common.cpp). It is
// looked for anywhere in a text. "*" stands for any characters, "^" at its beginning and "$"
// stand for the beginning and the end of the text, and what comes after a "$" means nothing.
// Each part between asterisks is taken where it comes first, so that "b$" is not found in "ab b".
// A file must hide the same here as there, so that is kept.
type pattern struct {
	// parts are what is between asterisks.
	parts      []string
	start, end bool
}

func compile(text string) pattern {
	text, start := strings.CutPrefix(text, "^")
	text, _, end := strings.Cut(text, "$")
	return pattern{strings.Split(text, "*"), start, end}
}

// in reports whether a text has the pattern in it. A text that is empty, as the name of a function
// that is not known, has none.
func (p *pattern) in(text string) bool {
	if text == "" {
		return false
	}
	for i, part := range p.parts {
		at := strings.Index(text, part)
		if at < 0 || at > 0 && i == 0 && p.start {
			return false
		}
		text = text[at+len(part):]
	}
	last := len(p.parts) - 1
	return !p.end || text == "" || last > 0 && p.parts[last] == ""
}
