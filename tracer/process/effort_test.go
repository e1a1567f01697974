package process

import (
	"os/exec"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// startProcess starts a program, of which a Group without probes knows the pid alone.
func startProcess(t *testing.T, g *Group, argv ...string) *Process {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	p := &Process{pid: cmd.Process.Pid}
	g.procs.add(p)
	return p
}

// Where there are too many processes to look at, some of them stand for all.
func TestEffortsOfMany(t *testing.T) {
	g := new(Group)
	for range maxAllThreads + 6 {
		startProcess(t, g, "sleep", "1000")
	}
	if n := len(g.Efforts()); n != maxAllThreads {
		t.Errorf("the effort of %d is known", n)
	}
}

// What a process has waited is no less once it has left.
func TestWaitedNeverFalls(t *testing.T) {
	testprog.NeedTool(t, "taskset")
	g := new(Group)
	const busy = "taskset -p 1 $$ >/dev/null; while :; do :; done"
	first := startProcess(t, g, "sh", "-c", busy)
	startProcess(t, g, "sh", "-c", busy)
	before := g.Waited()
	for deadline := time.Now().Add(time.Minute); first.waits.sum == 0; time.Sleep(10 * time.Millisecond) {
		before = g.Waited()
		if time.Now().After(deadline) {
			t.Fatal("two on one processor do not wait")
		}
	}
	g.procs.remove(first)
	if after := g.Waited(); before == 0 || after < before {
		t.Errorf("they have waited %v, and later %v", before, after)
	}
}
