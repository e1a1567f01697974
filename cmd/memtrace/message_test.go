package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWrap(t *testing.T) {
	for _, tc := range []struct {
		text, want string
		width      int
	}{
		{"memtrace: short", "memtrace: short", 80},
		{"memtrace: one two three", "memtrace: one\n  two three", 13},
		{"a verylongwordthatfitsnowhere b", "a\n  verylongwordthatfitsnowhere\n  b", 10},
		{"zwölf Wörter", "zwölf Wörter", 12},
		{"", "", 10},
	} {
		if got := wrap(tc.text, tc.width); got != tc.want {
			t.Errorf("%q at %d: %q, want %q", tc.text, tc.width, got, tc.want)
		}
	}
}

// Nothing is lost or added, and no line with more than one word is too long.
func FuzzWrap(f *testing.F) {
	f.Add("memtrace: a text of some words", 10)
	f.Fuzz(func(t *testing.T, text string, width int) {
		if strings.ContainsAny(text, "\n") || width < 4 || width > 500 {
			return
		}
		got := wrap(text, width)
		if joined := strings.ReplaceAll(got, "\n  ", " "); joined != text {
			t.Fatalf("%q became %q", text, joined)
		}
		for i, line := range strings.Split(got, "\n") {
			if i > 0 {
				line = strings.TrimPrefix(line, "  ")
			}
			if strings.Contains(line, " ") && utf8.RuneCountInString(line) > width {
				t.Errorf("%q is longer than %d", line, width)
			}
		}
	})
}
