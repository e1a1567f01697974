package testprog

import (
	"strings"
	"testing"
)

func TestBuildCommand(t *testing.T) {
	for _, tc := range []struct{ text, source, argv, name string }{
		{"// build: gcc -O2 -pthread\nint x;\n", "dir/leak.c", "gcc -O2 -pthread leak.c", "leak"},
		{"// build: g++ -ldl -g -lm", "leak.cc", "g++ -g leak.cc -ldl -lm", "leak"},
		{"// build: gcc -shared -fPIC\n", "plugin.c", "gcc -shared -fPIC plugin.c", "plugin.so"},
		{"// Part of another.\n// build: gcc\n", "part.c", "", ""},
		{"// build: \n", "empty.c", "", ""},
		{"", "none.c", "", ""},
	} {
		argv, name := buildCommand([]byte(tc.text), tc.source)
		if strings.Join(argv, " ") != tc.argv || name != tc.name {
			t.Errorf("%s: got %q as %q, want %q as %q", tc.source, argv, name, tc.argv, tc.name)
		}
	}
}
