package report

import "testing"

func TestColumns(t *testing.T) {
	for s, want := range map[string]int{
		"":           0,
		"ascii":      5,
		"größe":      5,
		"索引":         4,
		"한글":         4,
		"ｆｕｌｌ":       8,
		"🙂":          2,
		"e\u0301":    2, // one or two on a terminal: count the larger
		"\u2026":     1,
		"\U00020000": 2,
	} {
		if got := columns(s); got != want {
			t.Errorf("columns(%q) = %d, want %d", s, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, tc := range []struct {
		cut  func(string, int) string
		in   string
		n    int
		want string
	}{
		{cutRight, "abcdef", 6, "abcdef"},
		{cutRight, "abcdef", 4, "abc…"},
		{cutRight, "索引索引", 4, "索…"}, // no half characters
		{cutLeft, "abcdef", 4, "…def"},
		{cutLeft, "索引索引", 4, "…引"},
		{cutMiddle, "abcdefghij", 7, "ab…ghij"},
		{cutMiddle, "abc", 1, "…"},
		{shortenPath, "/a/bb/ccc.c:1", 13, "/a/bb/ccc.c:1"},
		{shortenPath, "/a/bb/ccc.c:1", 12, "…/bb/ccc.c:1"},
		{shortenPath, "/a/bb/ccc.c:1", 10, "…/ccc.c:1"},
		{shortenPath, "/a/bb/ccc.c:1", 6, "…c.c:1"},
		{shortenPath, "/a/bb/", 4, "…bb/"},
		{shortenPath, "x", 0, "…"},
	} {
		if got := tc.cut(tc.in, tc.n); got != tc.want {
			t.Errorf("cutting %q to %d columns: %q, want %q", tc.in, tc.n, got, tc.want)
		}
	}
}
