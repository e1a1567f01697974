package tracer

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// What malloc kept free when the trace began is remembered, until the process executes another
// program.
func TestKeptFirst(t *testing.T) {
	testprog.NeedRoot(t)
	dir := testprog.BuildText(t, map[string]string{"cache.c": cacheProgram})
	cache, execs := testprog.Command(t, exec.Command(filepath.Join(dir, "cache"))), testprog.Start(t, "execs")
	tr, end := run(t, Config{PIDs: []int{cache.PID(), execs.PID()}})

	facts := tr.facts(uint32(cache.PID()), SnapshotOptions{})
	first, ok := facts.KeptFirst()
	if now, nowOK := facts.Kept(); !ok || !nowOK || first != now || !first.Complete || first.System < 3000*300 {
		t.Errorf("first %+v, %v; at once %+v, %v", first, ok, now, nowOK)
	}
	cache.Say("n")
	cache.Line()
	if again, ok := facts.KeptFirst(); !ok || again != first {
		t.Errorf("first %+v, later %+v, %v", first, again, ok)
	}
	if now, ok := facts.Kept(); !ok || now == first {
		t.Errorf("%+v, %v at last, as at first", now, ok)
	}

	execs.Work()
	if _, ok := tr.facts(uint32(execs.PID()), SnapshotOptions{}).KeptFirst(); !ok {
		t.Error("nothing is known of the first program")
	}
	execs.Say("execute")
	execs.Line()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		f := tr.facts(uint32(execs.PID()), SnapshotOptions{})
		kept, ok := f.KeptFirst()
		if !ok && f.Known.Life.Execs == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v, which the first program kept, is said of the second", kept)
		}
	}
	end()
}
