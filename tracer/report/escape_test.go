package report

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		"std::operator<< <char>(int&&)": "std::operator<< <char>(int&&)",
		"größe 索引 é":                    "größe 索引 é",
		`back\slash`:                    `back\slash`,
		"\x1b[31m":                      `\x1b[31m`,
		"a\nb\tc\x00\x7f":               `a\x0ab\x09c\x00\x7f`,
		"\u0085\u009b":                  `\u{85}\u{9b}`,
		"\x9b":                          `\x9b`, // not UTF-8, and CSI to an 8-bit terminal
		"ok\xc3":                        `ok\xc3`,
		"\xed\xa0\x80":                  `\xed\xa0\x80`, // a surrogate half
		"\ufffd":                        "\ufffd",       // itself valid
		"\u202a\u202e\u2066\u2069":      `\u{202a}\u{202e}\u{2066}\u{2069}`,
		"\u200e\u200f\u061c":            `\u{200e}\u{200f}\u{61c}`,
		"\u2028\u2029":                  `\u{2028}\u{2029}`,
		"\u200b\ufeff\u00a0":            `\u{200b}\u{feff}\u{a0}`,
		"\U000e0041":                    `\u{e0041}`,
	} {
		if got := escape(in); got != want {
			t.Errorf("escape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestEscapeBoundsLength(t *testing.T) {
	whole := strings.Repeat("n", maxNameBytes)
	if got := escape(whole); got != whole {
		t.Errorf("a name of %d bytes was cut to %d", len(whole), len(got))
	}
	if got := escape(whole + "n"); got != whole+ellipsis {
		t.Errorf("a name of %d bytes became one of %d", len(whole)+1, len(got))
	}
	const longestEscape = len(`\u{10ffff}`)
	if got := escape(strings.Repeat("\U0010ffff", 1<<20)); len(got) > maxNameBytes+longestEscape+len(ellipsis) {
		t.Errorf("4 MiB of invisible characters became %d bytes", len(got))
	}
}

func TestBounded(t *testing.T) {
	for in, want := range map[string]string{
		"plain \x1b \u202e":       "plain \x1b \u202e", // valid UTF-8 stays
		"\xffa\xc3(":              `\xffa\xc3(`,
		"\ufffd\xfe":              "\ufffd" + `\xfe`,
		strings.Repeat("ä", 2049): strings.Repeat("ä", 2048) + ellipsis,
	} {
		if got := bounded(in); got != want || !utf8.ValidString(got) {
			t.Errorf("bounded(%.20q) = %.20q (%d bytes), want %.20q", in, got, len(got), want)
		}
	}
}
