package tracer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// Of the stacks through libraries that come and go, at the same addresses, 99.9 % end where the
// program began, and go through the functions that the program calls.
func TestWholeStacksThroughReloadedLibraries(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	dir := t.TempDir()
	if err := testprog.Build(t.Context(), unwindingDir, dir); err != nil {
		t.Fatal(err)
	}
	// Two files, with a name of its own for each time that one is loaded.
	const rounds = 60
	var libraries []string
	for i := range rounds {
		name := filepath.Join(dir, fmt.Sprintf("reload_%d.so", i))
		if err := os.Link(filepath.Join(dir, []string{"reload_a.so", "reload_b.so"}[i%2]), name); err != nil {
			t.Fatal(err)
		}
		libraries = append(libraries, name)
	}
	p := startUnwinding(t, append([]string{filepath.Join(dir, "reload")}, libraries...))
	tr := traceDuring(t, Config{}, p, func(tr *Tracer) {
		for i := range rounds {
			p.Say("call")
			if answer := p.Line(); answer != "called" {
				t.Fatalf("the program says %q", answer)
			}
			// A library that is gone before anybody saw it stays unknown.
			waitForModule(t, tr, p.PID(), libraries[i])
			// So does one that was mapped during the only look at it: there will be another.
			time.Sleep(50 * time.Millisecond)
			p.Say("unload")
			// Keeps below what may be sent of stacks within a second.
			time.Sleep(100 * time.Millisecond)
		}
	})
	through, cut, strange := 0, 0, 0
	for _, s := range allStacks(tr) {
		places := strings.Join(named(tr, p.PID(), s.frames), " ")
		switch {
		case !strings.Contains(places, "reload_"):
			continue // of the loader, and of the standard streams
		case s.truncated:
			if cut++; cut <= 5 {
				t.Log("cut: ", places)
			}
		case strings.Count(places, "reload+") < 20: // 12 times two frames, and main
			if strange++; strange <= 5 {
				t.Log("strange: ", places)
			}
		}
		through++
	}
	t.Logf("of %d stacks %d are cut, %d strange; %+v", through, cut, strange, tr.book.Counters())
	if through < 10000 || (cut+strange)*1000 > through {
		t.Errorf("of %d stacks %d are cut, %d strange", through, cut, strange)
	}
}

// waitForModule waits until tr knows that a file is mapped.
func waitForModule(t *testing.T, tr *Tracer, pid int, path string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for _, m := range tr.processes.Of(uint32(pid)).Symbols().Mappings() {
			if m.Path == path && !m.Vanished {
				return
			}
		}
	}
	t.Fatalf("%s is not known to be mapped", path)
}
