package kin

import (
	"os"
	"testing"
)

// The name of a process may look like anything.
func TestNames(t *testing.T) {
	s, ok := parseStat([]byte("12 (a) Z 7 (b\n) S 3 12 12 0 -1 4194560 1 0 0 0 2 3 0 0 20 0 9 0 4711 8 9 18446744073709551615 1 2 140737488 0\n"))
	if want := (stat{command: "a) Z 7 (b\n", state: 'S', parent: 3, threads: 9, start: 4711, stack: 140737488}); !ok || s != want {
		t.Errorf("%+v, %v", s, ok)
	}
	for _, text := range []string{"", "12 (a", "12 a) S 3", "12 (a) S 3 12", ")("} {
		if s, ok := parseStat([]byte(text)); ok {
			t.Errorf("%q: %+v", text, s)
		}
	}
}

func TestPrivate(t *testing.T) {
	page := uint64(os.Getpagesize())
	for _, tc := range []struct {
		text string
		want uint64
		ok   bool
	}{
		{"100 30 10 1 0 5 0\n", 20 * page, true}, {"100 10 30 1 0 5 0\n", 0, true}, {"0 0 0 0 0 0 0\n", 0, false}, {"", 0, false}, {"100 30", 0, false},
	} {
		if got, ok := parseStatm([]byte(tc.text)); got != tc.want || ok != tc.ok {
			t.Errorf("%q: %d, %v", tc.text, got, ok)
		}
	}
}
