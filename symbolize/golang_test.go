package symbolize

import (
	"path/filepath"
	"testing"
)

// A stripped Go program has its names and lines in a table of the runtime's.
func TestStrippedGo(t *testing.T) {
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	write(t, source, "package main\n\nimport \"os\"\n\nfunc inner() int { return len(os.Args) }\n\n"+
		"//go:noinline\nfunc outer() int { return inner() * 3 }\n\nfunc main() { os.Exit(outer()) }\n")
	run(t, "go", "build", "-o", program, source)
	address := symbolValue(t, program, "main.outer")
	run(t, "strip", program)
	p, m := openModule(t, program)
	for at := address; at < address+20; at++ {
		levels := m.lookup(p, at)
		if len(levels) != 2 {
			continue
		}
		want := []level{{"main.inner", source, 5, true}, {"main.outer", source, 8, false}}
		if levels[0] != want[0] || levels[1] != want[1] {
			t.Errorf("%+v, want %+v", levels, want)
		}
		return
	}
	t.Errorf("no inlined call; at the start there is %+v; problems %q", m.lookup(p, address), p.problems)
}
